"""The ledger held to account: a MeTA1 that says 250 before it has synced loses mail at a power cut, and is noticed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lab.bench.faults.ground import Ground
from lab.bench.faults.series import run
from lab.bench.faults.strikes import FAULTS
from lab.errors import CheckFailed
from lab.providers.base import Progress

INSTALLED = "/usr/local/lib/meta1/meta1"
SYNCS = r"s/\bos\.f\(data\)\?sync(/(lambda _: None)(/"
CHANGED = "grep -rl --include='*.py' 'lambda _: None' " + INSTALLED + "/queue"
COPY = "/var/lib/faults/meta1"


@contextmanager
def without_sync(ground: Ground) -> Iterator[None]:
    """MeTA1 as installed, but for its syncs: it writes, and believes what it has written to be safe."""
    ground.vm.run("rm -rf %s; cp -a %s %s", COPY, INSTALLED, COPY, as_user="root")
    ground.vm.run(
        f"grep -rl --include='*.py' 'os\\.f[a-z]*sync(' {INSTALLED} | xargs sed -i '{SYNCS}' && {CHANGED} && sync",
        as_user="root",
    )
    try:
        yield
    finally:
        ground.vm.run("rm -rf %s; cp -a %s %s", INSTALLED, COPY, INSTALLED, as_user="root")
        ground.vm.run("sync; systemctl restart meta1", as_user="root", timeout=180)
        ground.await_up()


def unsynced_is_noticed(ground: Ground, most: int, seed: int, progress: Progress) -> str:
    """Cut the power of such a machine until mail is lost; says how often. Raises `CheckFailed` if it never is."""
    (power,) = [each for each in FAULTS if each.name == "power cut"]
    with without_sync(ground):
        for count in range(1, most + 1):
            found = run(ground, [power], 1, seed + count, progress)
            if found.account.lost:
                return (
                    f"without a sync {len(found.account.lost)} of {found.account.taken} messages were lost "
                    f"at power cut {count}, and the ledger names them"
                )
    raise CheckFailed(
        f"mail is lost within {most} power cuts of a MeTA1 that does not sync", "lost", "none"
    )

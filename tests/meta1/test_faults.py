"""Faults of all kinds but a power cut, a few of each, under load: what was answered with 250 arrives or comes back.

The full form is `lab bench faults`; this is the same harness with small numbers. A message may arrive twice, where a
process died between the destination's 250 and the note of it. It must never be lost.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Sequence

import pytest

from lab.bench.faults.ground import CYRUS, Ground
from lab.bench.faults.load import HEADER, Load
from lab.bench.faults.series import Series, run
from lab.bench.faults.strikes import FAULTS, HERE, Fault
from lab.host import Host
from lab.lab import Lab
from meta1.release import configure

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]  # the first test has the machine made
SERIES = {
    "processes": (
        "kill smtps",
        "kill smtpc",
        "kill qmgr",
        "kill smar",
        "kill mcp",
        "kill all",
        "stop",
    ),
    "disk": ("disk full", "disk read-only"),
    "servers": ("destination dot", "destination reply", "dns nxdomain"),
    "socket": ("socket gone",),
    "clock": ("clock",),
}
FILES = (
    """PATH=$PATH:/usr/lib/cyrus/bin; grep -l '^Subject: %s' "$(mbpath -s user/alice)"/[0-9]*."""
)
AGAIN = """import smtplib, sys
with smtplib.LMTP(sys.argv[1]) as there:
    there.sendmail('alice@lab.example', ['alice@lab.example'], sys.stdin.buffer.read())
"""


@pytest.fixture(scope="module")
def ground(lab: Lab, installed: Host) -> Iterator[Ground]:
    """The machine with the configuration that faults need, under systemd."""
    made = Ground(lab)
    installed.run("mcp.sh stop", as_user="root", timeout=120)
    made.unit()
    made.configure()
    yield made
    installed.run("systemctl disable --quiet --now meta1", as_user="root", timeout=120)
    configure(installed)


@pytest.mark.parametrize("name", SERIES)
def test_nothing_accepted_is_lost(ground: Ground, name: str) -> None:
    """Every 250 in the ledger is a message in the mailbox, or a report to its sender."""
    faults = [each for each in FAULTS if each.name in SERIES[name]]
    found = run(ground, faults, 1 if len(faults) > 1 else 2, seed(), print)
    report(found, faults)
    assert found.account.clean, found.account
    assert found.account.taken > found.times


def test_the_ledger_notices_a_lost_and_a_doubled_message(ground: Ground) -> None:
    """One delivered message is taken out of the mailbox, another is delivered again: just these are named."""
    ground.begin()
    label = f"ledger-{random.SystemRandom().getrandbits(32):x}"
    with Load(ground.dial, label, (HERE,), seed()) as load:
        while load.taken < 20:
            load.wait(0.05)
    ground.drain()
    assert ground.settle(label, load.sent)[0].clean
    gone, twice = (each.token for each in load.sent[:2])
    (file,) = ground.vm.run(FILES % gone, as_user="cyrus").lines
    ground.vm.run("rm %s", file, as_user="cyrus")
    text = HEADER.format(token=twice, sender=HERE, to=HERE, digest="X-Copy", sum="")
    ground.vm.run("python3 -c %s %s", AGAIN, CYRUS, as_user="root", input=text)
    found, _ = ground.settle(label, load.sent)
    assert (found.lost, found.doubled) == ([gone], {twice: 1})


def seed() -> int:
    """Repeat a run with $FAULTS_SEED; it is printed with each."""
    return int(os.environ.get("FAULTS_SEED", random.SystemRandom().randrange(10**6)))


def report(found: Series, faults: Sequence[Fault]) -> None:
    """Print the figures."""
    told, seconds = found.account, sorted(found.seconds)
    names = ", ".join(each.name for each in faults)
    print(
        f"\n{found.times} faults ({names}), seed {found.seed}: {told.taken} accepted, {len(told.lost)} lost, "
        f"{len(told.returned)} returned, {told.duplicates} duplicates {dict(found.steps)}, "
        f"{len(told.unasked)} arrived though no 250 was seen\n"
        f"  mail taken again after {seconds[len(seconds) // 2]:.2f} s, at worst {seconds[-1]:.2f} s"
    )

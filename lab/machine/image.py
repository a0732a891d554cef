"""Build the lab machine's file tree from Debian packages, once for each version of the recipe.

`provision.sh` is the recipe's second half: here it runs in the tree that mmdebstrap made; Vagrant runs the same
file on a public Debian 12 box. The tree is kept in the cache folder under a hash of everything that made it, so
a checkout that did not touch the recipe builds nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from lab.config import cache_dir
from lab.errors import ImageBuildFailed, NoProvider
from lab.providers.base import Progress

RECIPE = Path(__file__).parent
SUITE = "bookworm"
KEPT = 3
"""Versions of the image kept in the cache: switching between branches should not rebuild."""

# The kernel is for the virtual machine; only the drivers QEMU needs go into its small initial RAM disk.
KERNEL = ("linux-image-cloud-amd64", "initramfs-tools", "zstd")
INITRAMFS = (
    'mkdir -p "$1/etc/initramfs-tools/conf.d"; '
    'printf "MODULES=list\\nCOMPRESS=zstd\\n" > "$1/etc/initramfs-tools/conf.d/lab"; '
    'printf "virtio_pci\\nvirtio_blk\\nvirtio_net\\next4\\n" > "$1/etc/initramfs-tools/modules"'
)
PROVISION = 'chroot "$1" bash /tmp/recipe/provision.sh /tmp/recipe && rm -r "$1/tmp/recipe"'
OPTIONS = {
    "--aptopt": ['APT::Install-Recommends "false"', 'Acquire::Languages "none"'],
    "--dpkgopt": [
        "path-exclude=/usr/share/locale/*",
        "path-exclude=/usr/share/doc/*",
        "path-include=/usr/share/doc/*/copyright",
    ],
    "--essential-hook": [INITRAMFS],
    "--customize-hook": [
        'mkdir "$1/tmp/recipe"',
        f"copy-in '{RECIPE}/packages.txt' '{RECIPE}/files' '{RECIPE}/provision.sh' /tmp/recipe",
        PROVISION,
    ],
}


def packages() -> list[str]:
    """Names of the Debian packages in packages.txt."""
    lines = (RECIPE / "packages.txt").read_text().splitlines()
    return [line.split()[0] for line in lines if line.strip() and not line.startswith("#")]


def recipe_hash() -> str:
    """Twelve hex digits naming this version of the recipe: every file that decides what is in the tree."""
    digest = hashlib.sha256()
    inputs = [RECIPE / "packages.txt", RECIPE / "provision.sh", Path(__file__)]
    for path in [*inputs, *sorted(p for p in (RECIPE / "files").rglob("*") if p.is_file())]:
        digest.update(f"{path.relative_to(RECIPE)} {path.stat().st_mode & 0o777:o}\n".encode())
        digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def folder() -> Path:
    """Where this version of the machine lies in the cache; `root.tar` in it is complete if it is there."""
    return cache_dir() / recipe_hash()


def tree(progress: Progress) -> Path:
    """The machine's file tree as a tar file, built if the cache has none.

    Raises `ImageBuildFailed` with mmdebstrap's last lines, `NoProvider` where mmdebstrap is missing.
    """
    tar = folder() / "root.tar"
    if tar.exists():
        os.utime(tar)
        return tar
    with build_lock(progress):
        if not tar.exists():
            _build(tar, progress)
            _drop_old()
    return tar


@contextmanager
def build_lock(progress: Progress) -> Iterator[None]:
    """One build at a time on this host; the next one finds the finished image."""
    with (cache_dir() / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("waiting for another build of the machine image")
            fcntl.flock(lock, fcntl.LOCK_EX)
        _sweep()
        yield


def sweep() -> None:
    """Remove what a build left that was killed; a build that runs is left alone."""
    with (cache_dir() / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        _sweep()


def _build(tar: Path, progress: Progress) -> None:
    if not shutil.which("mmdebstrap"):
        raise NoProvider("mmdebstrap is missing: it makes the lab machine", "make setup")
    progress("building the machine image from Debian packages (once, about a minute)")
    work = Path(mkdtemp(prefix="build-", dir=cache_dir()))
    work.chmod(0o755)  # mmdebstrap's own user must reach its folder
    log = _mmdebstrap(work / "root.tar", progress)
    if not (work / "root.tar").exists():
        shutil.rmtree(work, ignore_errors=True)
        raise ImageBuildFailed(
            "mmdebstrap failed:\n" + "\n".join(log[-12:]),
            "see the lines above: usually no room on the disk, or no way to the Debian packages",
        )
    tar.parent.mkdir(exist_ok=True)
    (work / "root.tar").rename(tar)
    (tar.parent / "build.log").write_text("\n".join(log) + "\n")
    shutil.rmtree(work, ignore_errors=True)


def _command(target: Path) -> list[str]:
    """The command that makes the tree."""
    names = ",".join([*KERNEL, *packages()])
    mode = "root" if os.geteuid() == 0 else "unshare"
    # The build ends with us, even if we are killed: setpriv asks the kernel for that.
    return [
        "setpriv",
        "--pdeathsig",
        "TERM",
        "mmdebstrap",
        f"--mode={mode}",
        "--variant=minbase",
        f"--include={names}",
        *(f"{option}={value}" for option, values in OPTIONS.items() for value in values),
        SUITE,
        str(target),
    ]


def _mmdebstrap(target: Path, progress: Progress) -> list[str]:
    """Run mmdebstrap into `target` + .part; rename when whole; return what it printed."""
    part = target.with_suffix(".part.tar")
    log: list[str] = []
    env = dict(os.environ, TMPDIR=str(part.parent), LC_ALL="C.UTF-8")
    with subprocess.Popen(
        _command(part),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=env,
    ) as process:
        assert process.stdout
        for line in process.stdout:
            log.append(line.rstrip())
            if line.startswith("I: ") and "hook" not in line:
                progress(line[3:].strip().rstrip("."))
    if process.returncode == 0:
        part.rename(target)
    return log


def _sweep() -> None:
    """Remove what an earlier build left when it was killed; we hold the lock, so none is running."""
    for left in cache_dir().glob("build-*"):
        for _ in range(50):
            if not _end_processes_of(left):
                break
            time.sleep(0.1)
        shutil.rmtree(left, ignore_errors=True)
        if left.exists():  # made by mmdebstrap as another user of this one's range
            subprocess.run(
                ["unshare", "--user", "--map-root-user", "--map-auto", "rm", "-rf", str(left)],
                check=False,
            )


def _end_processes_of(build: Path) -> int:
    """Kill what still works in the folder of a build whose parent was killed; how many there were."""
    mark, count = f"TMPDIR={build}".encode(), 0
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in (process / "environ").read_bytes().split(b"\0"):
                os.kill(int(process.name), signal.SIGKILL)
                count += 1
    return count


def _drop_old() -> None:
    images = sorted(cache_dir().glob("*/root.tar"), key=lambda p: p.stat().st_mtime)
    for tar in images[:-KEPT]:
        shutil.rmtree(tar.parent, ignore_errors=True)

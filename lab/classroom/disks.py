"""File systems of a limited size, each in a sparse file: nobody who fills one takes room from the others.

No quota is used, since not every kernel has them. A file takes only the room that is used in it, and gives it back
when files in it are removed.
"""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from lab.errors import LabError

OPTIONS = "loop,nosuid,nodev,discard,resuid=2000000000,resgid=2000000000"
"""The blocks that are reserved, so that a full disk can still be cleared, are not for root in a container."""

BUSY_SECONDS = 10.0
"""How long what has ended may take to let go of a file system."""


def make(image: Path, folder: Path, size: int, owner: int = 0) -> None:
    """Have a file system of `size` MiB mounted on a folder that is then the owner's, mode 0700.

    What is there already stays as it is, so this also mounts again after a restart of the host. Raises `LabError`.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.is_mount():
        return
    if not image.exists():
        _create(image, size, owner)
    _run("mount", "-o", OPTIONS, str(image), str(folder))
    if owner:
        os.chown(folder, owner, owner)
    folder.chmod(0o700)


def remove(image: Path, folder: Path) -> None:
    """Unmount with all that is mounted below, and remove file and folder; absent is fine. Raises `LabError`."""
    unmount(folder)
    image.unlink(missing_ok=True)
    if folder.exists():
        folder.rmdir()


def unmount(folder: Path) -> None:
    """Unmount with all that is mounted below; the file keeps everything. Raises `LabError` if it stays in use."""
    deadline = time.monotonic() + BUSY_SECONDS
    while folder.is_mount():
        try:
            _run("umount", "--recursive", str(folder))
        except LabError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def _create(image: Path, size: int, owner: int) -> None:
    new = image.with_suffix(".new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.truncate(size << 20)
    lazy = f"lazy_itable_init=1,lazy_journal_init=1,root_owner={owner}:{owner}"
    _run("mkfs.ext4", "-q", "-b", "4096", "-m", "4", "-J", "size=8", "-E", lazy, str(new))
    new.replace(image)


def _run(*command: str) -> None:
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env={**os.environ, "PATH": path}
        )
    except FileNotFoundError as error:
        raise LabError(f"{command[0]} is missing on this host", "make setup-class") from error
    if done.returncode:
        raise LabError(f"{command[0]}: {done.stderr.strip()}", "lab class status")

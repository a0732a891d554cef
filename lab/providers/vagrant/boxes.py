"""Our box in Vagrant's collection and its disk in libvirt's pool: put there whole, old ones taken out.

vagrant-libvirt copies a box's disk into the pool itself, but a copy that was cut off looks complete
to it ever after.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.config import cache_dir
from lab.errors import LabError
from lab.machine.box import FILES, NAME, SHIPPED, Box
from lab.providers.base import Progress
from lab.providers.vagrant.command import Vagrant
from lab.providers.vagrant.libvirt import add_volume, backing_files, drop_volume, home, joining

RECIPE = SHIPPED.parent
ADD_SECONDS = 600.0
VOLUME = f"{NAME}_vagrant_box_image_{{}}_box.img"
"""The name under which vagrant-libvirt looks for a box's disk."""


def add(box: Box, vagrant: Vagrant, env: dict[str, str], progress: Progress) -> None:
    """Have this box in Vagrant's collection and its disk in the pool; drop old unused versions."""
    with _alone(progress):
        _sweep(box.metadata)
        if not (disk := _disk(box.version)):
            progress("adding the box to Vagrant")
            command = ["vagrant", "box", "add", "--force", str(box.metadata)]
            vagrant.run([*joining(), *command], env, lambda _: None, ADD_SECONDS)
            disk = _disk(box.version)
            _drop_old(box.version)
        if not disk:
            raise LabError(f"`vagrant box add` left no disk in {_collection()}", "lab doctor")
        add_volume(disk, VOLUME.format(box.version))


def sweep() -> None:
    """Remove what an interrupted addition left, unless another one is at work."""
    with contextlib.suppress(BlockingIOError), _alone(None):
        for metadata in cache_dir().glob("*/lab.json"):
            _sweep(metadata)


@contextmanager
def _alone(progress: Progress | None) -> Iterator[None]:
    """One addition at a time; without `progress`, raise `BlockingIOError` rather than wait."""
    with (cache_dir() / "box.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not progress:
                raise
            progress("waiting for another lab to add the box")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _vagrant_home() -> Path:
    return Path(os.environ.get("VAGRANT_HOME") or home() / ".vagrant.d")


def _collection() -> Path:
    return _vagrant_home() / "boxes" / NAME


def _disk(version: str) -> Path | None:
    """The disk of a box that is wholly there; later Vagrants put the architecture into its path."""
    for disk in sorted((_collection() / version).rglob("box.img")):
        if all(disk.with_name(name).exists() for name in FILES):
            return disk
    return None


def _sweep(metadata: Path) -> None:
    """Remove half-copied and half-unpacked boxes; we hold the lock: nobody is at work on them."""
    folder = _vagrant_home() / "tmp"
    with contextlib.suppress(FileNotFoundError, ValueError, KeyError):
        url = json.loads(metadata.read_text())["versions"][0]["providers"][0]["url"]
        (folder / f"box{hashlib.sha1(url.encode()).hexdigest()}").unlink(missing_ok=True)
    for left in folder.glob("vagrant-box-add-temp-*"):
        with contextlib.suppress(FileNotFoundError):
            if (left / "Vagrantfile").read_bytes() == SHIPPED.read_bytes():
                shutil.rmtree(left, ignore_errors=True)


def _drop_old(current: str) -> None:
    used = backing_files()
    for folder in _collection().glob("[0-9]*"):
        volume = VOLUME.format(folder.name)
        if folder.name != current and volume not in used:
            shutil.rmtree(folder, ignore_errors=True)
            drop_volume(volume)

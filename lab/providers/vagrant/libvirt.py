"""The user's own libvirt session: how programs join it, and the one domain of a lab in it.

A session needs no root and no service: libvirt's programs start when the first client calls and end
by themselves two minutes after the last. root has no session, so for root all of it runs as an
ordinary user in a user namespace: root's files belong to that user there, and nothing is left in the
system's libvirt.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from lab.config import cache_dir
from lab.errors import LabError, NoProvider

URI = "qemu:///session"
POOL = "default"
SNAPSHOT_SECONDS = 300.0
STAND_IN = ("libvirt-qemu", "nobody")
"""Users whose number root takes in the namespace: the first of them that exists."""
HOME_ROOM = 36
"""Bytes the home folder's path may have: that of a UNIX socket below it may have 107."""
FOLDERS = ("HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME")


@cache
def joining() -> tuple[str, ...]:
    """What goes before a command so that it runs in the session."""
    if os.geteuid():
        return ()
    for name in STAND_IN:
        with contextlib.suppress(KeyError):
            user = pwd.getpwnam(name)
            numbers = (f"--map-user={user.pw_uid}", f"--map-group={user.pw_gid}")
            return ("unshare", "--user", *numbers, "--")
    raise NoProvider(f"no user {' or '.join(STAND_IN)} for root to run libvirt as", "lab doctor")


def home() -> Path:
    """Home folder of the session: the user's own, or one in the cache for root."""
    if os.geteuid():
        return Path.home()
    path = cache_dir() / "home"
    if len(bytes(path)) > HOME_ROOM:
        raise LabError(f"{path} is too long a path for libvirt's sockets", "shorten LAB_CACHE")
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def environment() -> dict[str, str]:
    """Environment of programs in the session."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    env = {**os.environ, "LC_ALL": "C.UTF-8", "PATH": path}
    if os.geteuid() == 0:
        for name in FOLDERS:
            env.pop(name, None)
        env["HOME"] = str(home())
    return env


def virsh(*arguments: str, check: bool = True, timeout: float = 90) -> str:
    """Run virsh and return what it printed; empty if it failed and `check` is false."""
    try:
        done = subprocess.run(
            [*joining(), "virsh", "--quiet", "--connect", URI, *arguments],
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError as error:
        raise NoProvider(f"{error.filename} is missing", "lab doctor") from error
    except subprocess.TimeoutExpired as error:
        late = f"no end of `virsh {arguments[0]}` after {timeout:.0f} s"
        raise LabError(late, "lab down; lab up") from error
    if done.returncode and check:
        said = done.stderr.strip().removeprefix("error: ")
        raise LabError(f"virsh {arguments[0]}: {said}", "lab doctor")
    return "" if done.returncode else done.stdout


def pool_folder() -> Path:
    """Folder of the storage pool, which is made, or started after the host was, if need be."""
    if not virsh("pool-info", POOL, check=False):
        data = Path(environment().get("XDG_DATA_HOME") or home() / ".local/share")
        virsh("pool-define-as", POOL, "dir", "--target", str(data / "libvirt/images"))
        virsh("pool-build", POOL)
        virsh("pool-autostart", POOL)
    virsh("pool-start", POOL, check=False)  # fails when it is started
    path = ET.fromstring(virsh("pool-dumpxml", POOL)).findtext("target/path")
    assert path, "a pool of type dir has a path"
    return Path(path)


def add_volume(image: Path, name: str) -> None:
    """Put a disk into the pool, whole or not at all; without a copy on the same file system."""
    target = pool_folder() / name
    if target.exists() and target.stat().st_size == image.stat().st_size:
        return
    part = target.with_suffix(".part")
    part.unlink(missing_ok=True)
    try:
        part.hardlink_to(image)
    except OSError:
        shutil.copyfile(image, part)
    part.replace(target)
    virsh("pool-refresh", POOL)


def drop_volume(name: str) -> None:
    """Take a disk out of the pool, if it is there."""
    (pool_folder() / name).unlink(missing_ok=True)
    virsh("pool-refresh", POOL)


def backing_files() -> set[str]:
    """Names of the disks in the pool that others are made upon."""
    found = set()
    for disk in pool_folder().glob("*.img"):
        command = ["qemu-img", "info", "--force-share", str(disk)]
        shown = subprocess.run(
            command, capture_output=True, text=True, env=environment(), check=False
        ).stdout
        lines = [line for line in shown.splitlines() if line.startswith("backing file:")]
        found |= {Path(line.split()[2]).name for line in lines}
    return found


@dataclass(frozen=True, slots=True)
class Domain:
    """A lab's machine as libvirt knows it; faster than Vagrant, whose every call takes a second."""

    name: str

    def remove(self) -> None:
        """End it and remove it with its disk and snapshots, whichever of them there are."""
        if virsh("domid", self.name, check=False):
            self.end()
            virsh("undefine", self.name, "--snapshots-metadata", "--managed-save", "--nvram")
        if virsh("pool-info", POOL, check=False):
            drop_volume(f"{self.name}.img")

    def end(self) -> None:
        """Pull the plug."""
        virsh("destroy", self.name, check=False)

    def save(self, name: str) -> None:
        """Take a snapshot of memory and disk; an older one of that name goes first."""
        self.forget(name)
        virsh("snapshot-create-as", self.name, name, timeout=SNAPSHOT_SECONDS)

    def revert(self, name: str) -> None:
        """Go back to a snapshot, running."""
        virsh("snapshot-revert", self.name, name, "--running", timeout=SNAPSHOT_SECONDS)

    def names(self) -> list[str]:
        """Names of the snapshots, oldest first; within one second parents come first."""
        shown = virsh("snapshot-list", self.name, "--topological", check=False)
        rows = [row.split() for row in shown.splitlines() if row.strip()]
        return [name for name, *_ in sorted(rows, key=lambda row: row[1:3])]

    def forget(self, name: str) -> None:
        """Drop a snapshot, if it is there."""
        virsh("snapshot-delete", self.name, name, check=False, timeout=SNAPSHOT_SECONDS)

    def change_port(self, old: int, new: int) -> None:
        """Let the stopped machine be reached at another port from its next start."""
        before, after = (f"hostfwd=tcp:127.0.0.1:{port}-:22" for port in (old, new))
        text = virsh("dumpxml", self.name, "--inactive", "--security-info")
        with TemporaryDirectory(dir=home()) as folder:
            path = Path(folder) / "domain.xml"
            path.write_text(text.replace(before, after))
            virsh("define", str(path))

"""The user's own libvirt session: how programs join it, and the one domain of a lab in it.

A session needs no root and no service: libvirt's programs start when the first client calls and end by themselves
two minutes after the last. root has no session, so for root all of it runs as an ordinary user in a user namespace:
root's files belong to that user there, and nothing is left in the system's libvirt.
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
STAND_IN = ("libvirt-qemu", "nobody")
"""Users whose number root takes in the namespace: the first of them that exists."""
HOME_ROOM = 36
"""Bytes the home folder's path may have: the path of a UNIX socket below it may have 107."""
OURS = ("HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME")


@cache
def joining() -> tuple[str, ...]:
    """What goes before a command so that it runs in the session."""
    if os.geteuid():
        return ()
    for name in STAND_IN:
        with contextlib.suppress(KeyError):
            user = pwd.getpwnam(name)
            return (
                "unshare",
                "--user",
                f"--map-user={user.pw_uid}",
                f"--map-group={user.pw_gid}",
                "--",
            )
    raise NoProvider(f"no user {' or '.join(STAND_IN)} for root to run libvirt as", "lab doctor")


def home() -> Path:
    """Home folder of the session: the user's own, or one in the cache for root."""
    if os.geteuid():
        return Path.home()
    path = cache_dir() / "home"
    if len(bytes(path)) > HOME_ROOM:
        raise LabError(
            f"{path} is too long a path for libvirt's sockets", "set LAB_CACHE to a shorter one"
        )
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def environment() -> dict[str, str]:
    """Environment of programs in the session."""
    env = {
        **os.environ,
        "LC_ALL": "C.UTF-8",
        "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin",
    }
    if os.geteuid() == 0:
        for name in OURS:
            env.pop(name, None)
        env["HOME"] = str(home())
    return env


def virsh(*arguments: str, check: bool = True, timeout: float = 90) -> str:
    """Run virsh in the session and return what it printed; empty if it failed and `check` is false."""
    command = [*joining(), "virsh", "--quiet", "--connect", URI, *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", env=environment(),
                              stdin=subprocess.DEVNULL, timeout=timeout, check=False)  # fmt: skip
    except FileNotFoundError as error:
        raise NoProvider(f"{error.filename} is missing", "lab doctor") from error
    except subprocess.TimeoutExpired as error:
        raise LabError(
            f"virsh {arguments[0]} did not end within {timeout:.0f} s", "lab down; lab up"
        ) from error
    if done.returncode and check:
        raise LabError(
            f"virsh {arguments[0]}: {done.stderr.strip().removeprefix('error: ')}", "lab doctor"
        )
    return "" if done.returncode else done.stdout


def pool_folder() -> Path:
    """Folder of the storage pool, which is made, and started again after a restart of the host, if need be."""
    if not virsh("pool-info", POOL, check=False):
        env = environment()
        data = Path(env.get("XDG_DATA_HOME") or home() / ".local/share")
        virsh("pool-define-as", POOL, "dir", "--target", str(data / "libvirt/images"))
        virsh("pool-build", POOL)
        virsh("pool-autostart", POOL)
    virsh("pool-start", POOL, check=False)  # fails when it is started
    path = ET.fromstring(virsh("pool-dumpxml", POOL)).findtext("target/path")
    assert path, "a pool of type dir has a path"
    return Path(path)


def add_volume(image: Path, name: str) -> None:
    """Put a disk image into the pool under a name, whole or not at all; without a copy on the same file system."""
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


def backing_files() -> set[str]:
    """Names of the volumes that others in the pool are made upon."""
    found = set()
    for disk in pool_folder().glob("*.img"):
        done = subprocess.run(["qemu-img", "info", "--force-share", str(disk)], capture_output=True, text=True,
                              env=environment(), check=False)  # fmt: skip
        found |= {
            Path(line.split()[2]).name
            for line in done.stdout.splitlines()
            if line.startswith("backing file:")
        }
    return found


@dataclass(frozen=True, slots=True)
class Domain:
    """A lab's machine as libvirt knows it, by its name: Vagrant need not be asked, which takes a second."""

    name: str

    def remove(self) -> None:
        """End it and remove it with its disks and snapshots, whichever of them there are."""
        if virsh("domid", self.name, check=False):
            virsh("destroy", self.name, check=False)
            virsh("undefine", self.name, "--snapshots-metadata", "--managed-save", "--nvram")
        if virsh("pool-info", POOL, check=False):
            pool_folder().joinpath(f"{self.name}.img").unlink(missing_ok=True)
            virsh("pool-refresh", POOL)

    def save(self, name: str) -> None:
        """Take a snapshot of memory and disk; an older one of that name goes first."""
        self.forget(name)
        virsh("snapshot-create-as", self.name, name, timeout=300)

    def revert(self, name: str) -> None:
        """Go back to a snapshot, running."""
        virsh("snapshot-revert", self.name, name, "--running", timeout=300)

    def names(self) -> list[str]:
        """Names of the snapshots, oldest first; parents come first within one second."""
        rows = [
            row.split()
            for row in virsh("snapshot-list", self.name, "--topological", check=False).splitlines()
        ]
        return [name for name, *_ in sorted((row for row in rows if row), key=lambda row: row[1:3])]

    def forget(self, name: str) -> None:
        """Drop a snapshot, if it is there."""
        virsh("snapshot-delete", self.name, name, check=False, timeout=300)

    def change_port(self, old: int, new: int) -> None:
        """Let the stopped machine be reached at another port from its next start."""
        text = virsh("dumpxml", self.name, "--inactive", "--security-info")
        with TemporaryDirectory(dir=home()) as folder:
            path = Path(folder) / "domain.xml"
            path.write_text(
                text.replace(f"hostfwd=tcp:127.0.0.1:{old}-:22", f"hostfwd=tcp:127.0.0.1:{new}-:22")
            )
            virsh("define", str(path))

"""A small file system of its own for the queue: ext4 on a loop device over a file, so that a full disk is really full.

A sync goes through it to the file, and with it to the disk below: what it has synced is as safe as elsewhere. It is
broken as real disks break: ext4 finds an error and makes itself read-only, whoever has files open. A container may
not mount, so there the host does it, in the container's mount namespace.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.bench.faults.ground import KEPT, Ground
from lab.errors import LabError
from lab.providers.container import ContainerProvider
from lab.providers.podman import podman
from lab.script import fill

SPOOL = "/var/spool/meta1"
SIZE = "256M"
BALLAST = f"{SPOOL}/ballast"


@dataclass
class Disk:
    """The file system, attached below the queue directory."""

    ground: Ground
    image: str
    device: str = ""

    def outside(self, command: str, *args: object) -> str:
        """Run a command where the devices are: the virtual machine, or a container's host."""
        if self.ground.is_virtual:
            return self.ground.vm.run(command, *args, as_user="root").stdout.strip()
        return _host(["sh", "-euc", fill(command, args)])

    def inside(self, command: str, *args: object) -> str:
        """Run a command among the machine's mounts, with the right to change them."""
        if self.ground.is_virtual:
            return self.outside(command, *args)
        provider = self.ground.lab.provider()
        assert isinstance(provider, ContainerProvider)
        pid = podman("inspect", "--format", "{{.State.Pid}}", provider.container).strip()
        return _host(["nsenter", "--target", pid, "--mount", "sh", "-euc", fill(command, args)])

    def mount(self) -> None:
        """Mount it; the device has the same name on both sides."""
        number = self.device.removeprefix("/dev/loop")
        self.inside("test -b %s || mknod %s b 7 %s", self.device, self.device, number)
        self.inside("mount -t ext4 -o errors=remount-ro %s %s", self.device, SPOOL)

    def fill(self) -> None:
        """Take all the room there is."""
        self.ground.vm.run(
            "dd if=/dev/zero of=%s bs=64k status=none; dd if=/dev/zero bs=1 status=none >> %s; true",
            BALLAST,
            BALLAST,
            as_user="root",
            check=False,
        )

    def free(self) -> None:
        """Give it back."""
        self.ground.vm.run("rm -f %s", BALLAST, as_user="root")

    def fail(self) -> None:
        """Let ext4 find an error: from now on it is read-only for all."""
        name = Path(self.device).name
        self.outside("echo 1 > /sys/fs/ext4/%s/trigger_fs_error", name)

    def repair(self) -> None:
        """What an operator does about it: stop, check, mount, start."""
        self.ground.vm.run("systemctl stop meta1", as_user="root", timeout=180)
        self.inside("umount %s", SPOOL)
        self.outside("e2fsck -fy %s > /dev/null || test $? -le 2", self.device)
        self.mount()
        self.ground.vm.run("systemctl start meta1", as_user="root", timeout=180)


def _host(argv: list[str]) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise LabError(
            f"{argv[-1]}: {done.stderr.strip()}",
            "a disk of a container's own needs root and loop devices on the host",
        )
    return done.stdout.strip()


@contextmanager
def small_disk(ground: Ground) -> Iterator[Disk]:
    """Have the queue on a disk of its own meanwhile; it is empty before and after."""
    image = f"{KEPT}/spool.img" if ground.is_virtual else str(ground.lab.folder / "spool.img")
    disk = Disk(ground, image)
    ground.drain()
    ground.vm.run("systemctl stop meta1", as_user="root", timeout=180)
    disk.outside("mkdir -p %s; rm -f %s; truncate -s %s %s", Path(image).parent, image, SIZE, image)
    disk.outside("mkfs.ext4 -q -m 0 %s", image)
    disk.device = disk.outside("losetup --find --show %s", image)
    try:
        ground.vm.run("cp -a %s %s", SPOOL, f"{KEPT}/spool", as_user="root")
        disk.mount()
        ground.vm.run("cp -a %s/. %s", f"{KEPT}/spool", SPOOL, as_user="root")
        ground.vm.run("systemctl start meta1", as_user="root", timeout=180)
        ground.await_up()
        yield disk
    finally:
        ground.vm.run("systemctl stop meta1", as_user="root", timeout=180, check=False)
        disk.inside("umount %s || true; rm -f %s", SPOOL, "" if ground.is_virtual else disk.device)
        disk.outside("losetup -d %s; rm -f %s", disk.device, image)
        ground.vm.run(
            "rm -rf %s; systemctl start meta1", f"{KEPT}/spool", as_user="root", timeout=180
        )
        ground.await_up()

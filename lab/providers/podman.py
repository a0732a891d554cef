"""podman as it must be called on this host: with or without root, with the runtime for its control groups."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lab.errors import LabError


@dataclass(frozen=True, slots=True)
class Store:
    """Folders in which podman keeps images and containers, in place of this host's own."""

    graph: Path
    """What lasts: images, layers, what containers have written."""
    run: Path
    """What a restart of the host may lose; on a tmpfs, so that it does."""
    reads: tuple[Path, ...] = ()
    """Other stores' `graph`, whose images are there as well and never change from here."""

    def options(self) -> tuple[str, ...]:
        """Options of podman, before its command."""
        others = (f"--storage-opt=additionalimagestore={path}" for path in self.reads)
        return (
            f"--root={self.graph}",
            f"--runroot={self.run}",
            "--storage-driver=overlay",
            *others,
        )


def podman(
    *arguments: str, store: Store | None = None, check: bool = True, timeout: float = 120
) -> str:
    """Run podman and return what it printed; a failure raises `LabError` with its own words."""
    command = [*_engine(), *(store.options() if store else ()), *arguments]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise LabError(
            f"podman {arguments[0]} did not end within {timeout:.0f} s", "lab doctor"
        ) from error
    if done.returncode and check:
        raise LabError(
            f"podman {arguments[0]}: {done.stderr.strip() or done.stdout.strip()}", "lab doctor"
        )
    return done.stdout if not done.returncode else ""


@cache
def graph() -> Path:
    """Where this host's own podman keeps its images."""
    return Path(podman("info", "--format", "{{.Store.GraphRoot}}").strip())


def await_podmen(mark: str, seconds: float) -> None:
    """Wait until no podman with that text among its arguments is at work, whoever has started it."""
    deadline = time.monotonic() + seconds
    while _podmen(mark) and time.monotonic() < deadline:
        time.sleep(0.05)


def _podmen(mark: str) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = path.read_bytes().decode(errors="replace").split("\0")
            if Path(words[0]).name == "podman" and any(mark in word for word in words[1:]):
                found.append(int(path.parent.name))
    return found


@cache
def _engine() -> tuple[str, ...]:
    """The podman command for this host: as ourselves where that works, else through sudo."""
    privileged = () if os.geteuid() == 0 or rootless() else ("sudo", "--non-interactive")
    runtime = shutil.which("runc", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if cgroup_v2() or not runtime:
        return (*privileged, "podman")
    # Without systemd on the host there is nobody to ask for a cgroup: podman makes it itself.
    return (*privileged, "podman", "--runtime", runtime, "--cgroup-manager", "cgroupfs")


@cache
def cgroup_v2() -> bool:
    """Does this host have the unified control group tree?"""
    return Path("/sys/fs/cgroup/cgroup.controllers").exists()


@cache
def rootless() -> bool:
    """May an ordinary user run a container with systemd in it here?"""
    if os.geteuid() == 0 or not cgroup_v2():
        return False
    with contextlib.suppress(OSError):
        users = [line.split(":")[0] for line in Path("/etc/subuid").read_text().splitlines()]
        return bool({getpass.getuser(), str(os.getuid())} & set(users)) and bool(
            shutil.which("newuidmap")
        )
    return False


def sudo_works() -> bool:
    """May we run commands as root without being asked for a password?"""
    return (
        bool(shutil.which("sudo"))
        and subprocess.run(
            ["sudo", "--non-interactive", "true"], capture_output=True, check=False
        ).returncode
        == 0
    )

"""Control groups of a class, version 1 or 2: what a sandbox may use, what it used, and an end to all that is in it.

The class has one group, in it one for each sandbox and one for its services. Whatever a process does, its
children stay in the group: so nothing is left when all processes of a group were killed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.classroom.settings import Share
from lab.errors import LabError

CONTROLLERS = "memory", "cpu", "cpuacct", "pids"
NEEDED = "memory", "cpu", "pids"
PERIOD = 100_000
"""Microseconds in which a group may run for its share of the processors."""
ROOT = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Use:
    """What a group has used; seconds of processors."""

    memory: float
    """MiB now, without files that could be dropped: what the host must have for it."""
    most_memory: float
    """MiB at most so far, with such files: what the limit is for."""
    cpu: float
    processes: int


@dataclass(frozen=True, slots=True)
class Group:
    """A group by its name, such as ``lab-class-1a2b3c/ada``, in each hierarchy that has a controller we need."""

    name: str
    hierarchies: tuple[Path, ...]
    version: int

    @classmethod
    def of(cls, name: str) -> Group:
        """The group of that name on this host, made or not. Raises `LabError` if a controller is missing."""
        version, found = hierarchies(Path("/proc/mounts").read_text())
        return cls(name, found, version)

    @property
    def folders(self) -> list[Path]:
        """The group's folder in each hierarchy."""
        return [top / self.name for top in self.hierarchies]

    def make(self, share: Share | None = None) -> None:
        """Have the group, limited to a share of the host; without one its processes are only kept together."""
        for top, folder in zip(self.hierarchies, self.folders, strict=True):
            folder.mkdir(parents=True, exist_ok=True)
            if self.version == 2:
                for parent in reversed(
                    [each for each in folder.parents if each.is_relative_to(top)]
                ):
                    (parent / "cgroup.subtree_control").write_text("+memory +cpu +pids")
        for file, value in limits(share, self.version) if share else ():
            for folder in self.folders:
                if (folder / file).exists():
                    (folder / file).write_text(value)

    def entering(self, command: Sequence[str]) -> list[str]:
        """That command as one that enters the group first."""
        enter = "".join(f"echo $$ >{folder}/cgroup.procs && " for folder in self.folders)
        return ["/bin/sh", "-c", f'{enter}exec "$@"', "sh", *command]

    def enter(self, pid: int) -> None:
        """Put a process into the group."""
        for folder in self.folders:
            (folder / "cgroup.procs").write_text(str(pid))

    def processes(self) -> set[int]:
        """Ids of the processes in the group and in those below it."""
        found: set[int] = set()
        for folder in self.folders:
            for file in folder.rglob("cgroup.procs"):
                with contextlib.suppress(OSError):  # a group may go meanwhile
                    found |= {int(line) for line in file.read_text().split()}
        return found - {os.getpid(), 0}

    def signal(self, number: signal.Signals, uid: int | None = None) -> None:
        """Send it to every process of the group, or to those of a user."""
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError, FileNotFoundError):
                if uid is None or Path(f"/proc/{pid}").stat().st_uid == uid:
                    os.kill(pid, number)

    def end(self, seconds: float = 20.0) -> None:
        """Kill all that is in the group, and remove it. Raises `LabError` if something will not end."""
        deadline = time.monotonic() + seconds
        while self.processes() and time.monotonic() < deadline:
            self.signal(signal.SIGKILL)
            time.sleep(0.02)
        for folder in self.folders:
            for each in [*_below(folder), folder]:
                _remove(each, deadline)

    def use(self) -> Use:
        """What the group has used; zeros where it is not."""
        return measured({file.name: file.read_text() for file in self._files()})

    def _files(self) -> Iterator[Path]:
        for folder in self.folders:
            for name in MEASURES:
                if (folder / name).exists():
                    yield folder / name


MEASURES = (
    "memory.usage_in_bytes", "memory.max_usage_in_bytes", "cpuacct.usage", "pids.current",
    "memory.stat", "memory.current", "memory.peak", "cpu.stat",
)  # fmt: skip


def measured(files: dict[str, str]) -> Use:
    """Use of a group from its files; pure."""
    one, two = "memory.usage_in_bytes", "memory.current"
    now = int(files.get(one) or files.get(two) or 0)
    stat = dict(line.split() for line in files.get("memory.stat", "").splitlines())
    idle = int(stat.get("total_inactive_file") or stat.get("inactive_file") or 0)
    most = int(files.get("memory.max_usage_in_bytes") or files.get("memory.peak") or now)
    if "cpuacct.usage" in files:
        cpu = int(files["cpuacct.usage"]) / 1e9
    else:
        words = files.get("cpu.stat", "").split()
        cpu = int(words[words.index("usage_usec") + 1]) / 1e6 if "usage_usec" in words else 0.0
    return Use(max(0, now - idle) / 2**20, most / 2**20, cpu, int(files.get("pids.current") or 0))


def limits(share: Share, version: int) -> list[tuple[str, str]]:
    """Files of a group and what is written into them, in order; pure."""
    memory, quota = str(share.memory << 20), str(int(share.cpus * PERIOD))
    if version == 2:
        return [
            ("memory.max", memory),
            ("memory.swap.max", "0"),
            ("cpu.max", f"{quota} {PERIOD}"),
            ("pids.max", str(share.pids)),
        ]
    return [
        ("memory.limit_in_bytes", memory),
        ("memory.memsw.limit_in_bytes", memory),
        ("cpu.cfs_period_us", str(PERIOD)),
        ("cpu.cfs_quota_us", quota),
        ("pids.max", str(share.pids)),
    ]


def hierarchies(mounts: str) -> tuple[int, tuple[Path, ...]]:
    """Version and the hierarchies that have the controllers, from /proc/mounts; pure but for version 2."""
    rows = [line.split() for line in mounts.splitlines()]
    ones = {
        word: Path(row[1])
        for row in rows
        if row[2] == "cgroup"
        for word in row[3].split(",")
        if word in CONTROLLERS
    }
    if set(NEEDED) <= ones.keys():
        return 1, tuple(dict.fromkeys(ones[name] for name in CONTROLLERS if name in ones))
    for row in rows:
        if row[2] == "cgroup2":
            top = Path(row[1])
            with contextlib.suppress(OSError):
                if set(NEEDED) <= set((top / "cgroup.controllers").read_text().split()):
                    return 2, (top,)
    raise LabError(
        f"this host has no control groups with {', '.join(NEEDED)}",
        "boot a kernel with them, or mount them: /sys/fs/cgroup",
    )


def _below(folder: Path) -> list[Path]:
    """Groups in a group, the innermost first."""
    return sorted((each for each in folder.rglob("*/") if each.is_dir()), reverse=True)


def _remove(folder: Path, deadline: float) -> None:
    while True:
        try:
            folder.rmdir()
            return
        except FileNotFoundError:
            return
        except OSError as error:  # a killed process is in its group until it is reaped
            if time.monotonic() > deadline:
                raise LabError(f"{folder}: {error.strerror}", f"look into {folder}") from error
            time.sleep(0.02)

"""Looks at what the parts of a class use while they work: memory, processors, disk, for each trainee."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lab.classroom import boxes, place
from lab.classroom.cgroup import Group, Use, hierarchies
from lab.classroom.marks import Marks

EVERY_SECONDS = 2.0


@dataclass(slots=True)
class Peak:
    """The most that one part used at any look, and its seconds of processors."""

    memory: float = 0.0
    cpu: dict[str, float] = field(default_factory=dict)
    """By control group: a machine that starts anew gets another one."""

    def add(self, group: str, use: Use) -> None:
        """Take in one look."""
        self.memory = max(self.memory, use.memory)
        self.cpu[group] = max(self.cpu.get(group, 0.0), use.cpu)

    @property
    def seconds(self) -> float:
        """Of processors, of all its groups."""
        return sum(self.cpu.values())


class Watch:
    """Looks every `EVERY_SECONDS` in a thread of its own, between `start` and `stop`."""

    def __init__(self, names: list[str]) -> None:
        self.names = names
        self.sandboxes = {name: Peak() for name in names}
        self.machines = {name: Peak() for name in names}
        self.services = Peak()
        self.whole = 0.0
        """Most MiB of all together at one look."""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look a last time."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(EVERY_SECONDS):
            self.look()
        self.look()

    def look(self) -> None:
        """Take in what all use now."""
        now = 0.0
        services = Group.of(f"{Marks.of().group}/services")
        for peak, group in [
            (self.services, services),
            *((self.sandboxes[name], boxes.group(name)) for name in self.names),
            *((self.machines[name], group) for name, group in _machines(self.names)),
        ]:
            use = group.use()
            peak.add(group.name, use)
            now += use.memory
        self.whole = max(self.whole, now)


def _machines(names: list[str]) -> Iterator[tuple[str, Group]]:
    """Control groups of the machines that run now, as podman made them."""
    version, tops = hierarchies(Path("/proc/mounts").read_text())
    for name in names:
        for file in (place.podman_run(name) / "overlay-containers").glob("*/userdata/pidfile"):
            with contextlib.suppress(OSError, ValueError):  # it ends just now
                lines = Path(f"/proc/{int(file.read_text())}/cgroup").read_text().splitlines()
                path = group_of(lines, version)
                yield name, Group(path, tops, version)


def group_of(lines: list[str], version: int) -> str:
    """The container's group in /proc/PID/cgroup, for the controllers of memory; without systemd's own part inside it.

    Raises `ValueError` if the process is in no container's, as it is before the container starts.
    """
    wanted = "" if version == 2 else "memory"
    for line in lines:
        _, controllers, path = line.split(":", 2)
        parts = Path(path).parts[1:]
        own = [n for n, part in enumerate(parts) if part.startswith("libpod-")]
        if own and wanted in controllers.split(","):
            return "/".join(parts[: own[0] + 1])
    raise ValueError("in no container")


def disk(name: str) -> tuple[float, float]:
    """MiB of the host's disk that a trainee's home and machine take."""
    return tuple(  # type: ignore[return-value]
        path.stat().st_blocks * 512 / 2**20
        for path in (place.home_image(name), place.machine_image(name))
    )

"""What a server costs: CPU and memory of a process and all that descend from it, by /proc."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PAUSE = 0.25
"""Seconds between two looks at the memory."""
_RSS = frozenset({"RssAnon", "RssShmem", "RssFile"})


def cpu_of(top: int) -> float:
    """CPU seconds of a process and its descendants, with those that have ended."""
    found: dict[int, tuple[int, float]] = {}
    for folder in _processes():
        try:
            fields = (folder / "stat").read_text().rpartition(") ")[2].split()
            threads = [path.read_text().split() for path in folder.glob("task/*/schedstat")]
        except OSError:
            continue  # it has just ended: its parent's figures have it
        own, ended = (sum(map(int, fields[i : i + 2])) / TICKS for i in (11, 13))
        # Ticks are cut off for each process, which adds up where there are many short ones.
        exact = sum(int(each[0]) for each in threads) / 1e9
        found[int(folder.name)] = int(fields[1]), max(own, exact) + ended
    parents = {pid: parent for pid, (parent, _) in found.items()}
    return sum(seconds for pid, (_, seconds) in found.items() if _is_within(pid, top, parents))


def cpu_of_all() -> float:
    """CPU seconds that the whole host has worked, whoever for."""
    ticks = [int(each) for each in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:8]]
    return (sum(ticks) - ticks[3] - ticks[4]) / TICKS  # without idle and iowait


def memory_of(top: int) -> float:
    """MiB of a process and its descendants: each one's own pages, and the files of the largest.

    Programs and libraries are shared by all that run them, so they are counted once.
    """
    parents: dict[int, int] = {}
    for folder in _processes():
        with contextlib.suppress(OSError):  # it has just ended
            fields = (folder / "stat").read_text().rpartition(") ")[2].split()
            parents[int(folder.name)] = int(fields[1])
    parts = [_resident(pid) for pid in parents if _is_within(pid, top, parents)]
    own, shared = sum(own for own, _ in parts), max((files for _, files in parts), default=0)
    return (own + shared) / 1024


class Peak:
    """The most memory that a server had while this was running."""

    def __init__(self, top: int) -> None:
        """Begin to look."""
        self.value = 0.0
        self._top = top
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while True:
            self.value = max(self.value, memory_of(self._top))
            if self._over.wait(PAUSE):
                return


def _processes() -> Iterator[Path]:
    return Path("/proc").glob("[0-9]*")


def _is_within(pid: int, top: int, parents: dict[int, int]) -> bool:
    while pid in parents:
        if pid == top:
            return True
        pid = parents[pid]
    return False


def _resident(pid: int) -> tuple[int, int]:
    """KiB of one process: of its own, and of files."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0, 0  # it has just ended
    found = {name: int(rest.split()[0]) for name, _, rest in map(_parted, lines) if name in _RSS}
    return found.get("RssAnon", 0) + found.get("RssShmem", 0), found.get("RssFile", 0)


def _parted(line: str) -> tuple[str, str, str]:
    return line.partition(":")

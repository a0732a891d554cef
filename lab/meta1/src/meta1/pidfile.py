"""The files mcp leaves in /run: its locked pid file, and the list of the processes it started.

The list lets the next mcp find and end processes that an mcp which was killed has left behind;
a process is only taken for the one in the list if its start time is the same.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

STATE_SUFFIX: Final = ".modules"


class AlreadyRunning(Exception):
    """Another mcp holds the pid file."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One process of a module."""

    name: str
    pid: int
    started: int
    state: str


class PidFile:
    """The pid file, locked for the life of this object, and the list beside it."""

    def __init__(self, path: str | Path) -> None:
        """Lock the file; raises AlreadyRunning or OSError."""
        self._path = Path(path)
        self._list = self._path.with_name(self._path.name + STATE_SUFFIX)
        self._path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._fd = os.open(self._path, flags, 0o644)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._fd, 32).decode("ascii", "replace").strip()
            os.close(self._fd)
            raise AlreadyRunning(f"mcp is already running, process {holder}") from None

    def write(self) -> None:
        """Put this process's number into the file: after every fork."""
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode("ascii"), 0)

    def note(self, entries: Iterable[Entry]) -> None:
        """Write the list, whole or not at all."""
        lines = [f"{each.name} {each.pid} {each.started} {each.state}\n" for each in entries]
        new = self._list.with_suffix(".new")
        new.write_text("".join(lines), encoding="ascii")
        new.replace(self._list)

    def left_behind(self) -> list[Entry]:
        """Processes of an earlier mcp that still live."""
        try:
            text = self._list.read_text(encoding="ascii", errors="replace")
        except OSError:
            return []
        entries = (_entry(line.split()) for line in text.splitlines())
        return [each for each in entries if each and start_time(each.pid) == each.started]

    def remove(self) -> None:
        """Leave nothing behind at an orderly end; the lock goes with the process."""
        self._list.unlink(missing_ok=True)
        self._path.unlink(missing_ok=True)


def _entry(words: list[str]) -> Entry | None:
    if len(words) != 4 or not (words[1].isdecimal() and words[2].isdecimal()):
        return None
    return Entry(words[0], int(words[1]), int(words[2]), words[3])


def start_time(pid: int) -> int:
    """When a process began, in ticks since boot; 0 if there is none, or only its zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    # proc(5): the name stands in brackets and may hold blanks; field 3 follows, 22 is the time.
    fields = text.rpartition(")")[2].split()
    return 0 if fields[0] in ("Z", "X") else int(fields[19])


def end_left_behind(entries: Iterable[Entry], grace: float) -> list[Entry]:
    """End processes: they have had SIGTERM when mcp died; who is still there gets SIGKILL."""
    killed = []
    for each in entries:
        try:
            fd = os.pidfd_open(each.pid)
        except OSError:
            continue
        with contextlib.suppress(ProcessLookupError):
            if start_time(each.pid) == each.started:
                signal.pidfd_send_signal(fd, signal.SIGTERM)
                if not select.select([fd], [], [], grace)[0]:
                    signal.pidfd_send_signal(fd, signal.SIGKILL)
                    select.select([fd], [], [], grace)
                    killed.append(each)
        os.close(fd)
    return killed

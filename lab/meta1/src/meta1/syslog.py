"""Carry log lines to syslog's socket or to standard error without ever waiting for them.

The library's ``syslog`` blocks the whole process while the daemon is slow; here lines are kept
back, up to a bound, and what had to be dropped is counted and said.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
import time
from collections import deque
from typing import Final, Protocol

from meta1.config.sections.common import FACILITIES

ERROR: Final = 3
WARNING: Final = 4
NOTICE: Final = 5
INFO: Final = 6
_WORDS: Final = {ERROR: "error", WARNING: "warning", NOTICE: "notice", INFO: "info"}

DEVICE: Final = "/dev/log"
MAX_KEPT: Final = 10_000
MAX_LINE: Final = 8000
RETRY_SECONDS: Final = 1.0
AGAIN_SECONDS: Final = 0.002


class Sink(Protocol):
    """Takes finished lines."""

    def write(self, severity: int, line: str) -> None:
        """Log a line now or a little later; never raises and never waits."""

    def close(self) -> None:
        """Hand over what is kept back."""


class StderrSink:
    """Standard error, with the time and the module, as mcp collects it."""

    def __init__(self, ident: str) -> None:
        self._ident = ident

    def write(self, severity: int, line: str) -> None:
        """See Sink."""
        now = time.strftime("%Y-%m-%dT%H:%M:%S")
        with contextlib.suppress(OSError, ValueError):
            print(
                f"{now} {self._ident}[{os.getpid()}] {_WORDS[severity]}: {line}",
                file=sys.stderr, flush=True,
            )  # fmt: skip

    def close(self) -> None:
        """See Sink."""


class SyslogSink:
    """Syslog by datagrams on /dev/log; survives a syslog daemon that is started again."""

    def __init__(self, ident: str, facility: str, device: str = DEVICE) -> None:
        self._facility = _facility_number(facility) * 8
        self._tag = f"{ident}[{os.getpid()}]: "
        self._device = device
        self._socket: socket.socket | None = None
        self._kept: deque[bytes] = deque()
        self._lost = 0
        self._next_try = 0.0
        self._is_planned = False
        self._second, self._stamp = 0, ""

    def write(self, severity: int, line: str) -> None:
        """See Sink."""
        text = f"<{self._facility + severity}>{self._time()} {self._tag}{line[:MAX_LINE]}"
        self._kept.append(text.encode("ascii", "backslashreplace"))
        self._flush()
        while len(self._kept) > MAX_KEPT:
            self._kept.popleft()
            self._lost += 1
        if self._kept:
            self._plan()

    def _time(self) -> str:
        second = int(time.time())
        if second != self._second:
            self._second = second
            # "Nov  3", not "Nov 03": RFC 3164 4.1.2.
            stamp = time.localtime(second)
            month = "JanFebMarAprMayJunJulAugSepOctNovDec"[stamp.tm_mon * 3 - 3 : stamp.tm_mon * 3]
            self._stamp = f"{month} {stamp.tm_mday:2d} {time.strftime('%H:%M:%S', stamp)}"
        return self._stamp

    def _flush(self) -> None:
        sender = self._socket or self._connect()
        while sender and self._kept:
            try:
                sender.send(self._kept[0])
            except BlockingIOError:
                return
            except OSError:
                self._drop_socket()
                sender = self._connect()
                continue
            self._kept.popleft()
        if sender and self._lost:
            lost, self._lost = self._lost, 0
            self.write(WARNING, f"log_lost lines={lost}")

    def _plan(self) -> None:
        """Try again soon: the last lines of a burst shall not wait for the next fact to log."""
        if self._is_planned:
            return
        # Without a loop the next line, or `close`, takes them along.
        with contextlib.suppress(RuntimeError):
            pause = AGAIN_SECONDS if self._socket else RETRY_SECONDS
            asyncio.get_running_loop().call_later(pause, self._again)
            self._is_planned = True

    def _again(self) -> None:
        self._is_planned = False
        self._flush()
        if self._kept:
            self._plan()

    def _connect(self) -> socket.socket | None:
        now = time.monotonic()
        if now < self._next_try:
            return None
        self._next_try = now + RETRY_SECONDS
        made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            made.setblocking(False)
            made.connect(self._device)
        except OSError:
            made.close()
            return None
        self._socket = made
        return made

    def _drop_socket(self) -> None:
        if self._socket:
            self._socket.close()
        self._socket = None

    def close(self) -> None:
        """See Sink."""
        self._next_try = 0.0
        if self._kept:
            self._flush()
        self._drop_socket()


def _facility_number(name: str) -> int:
    """Number of a facility: the table has them in order, up to a gap before local0."""
    index = FACILITIES.index(name)
    return index if index < FACILITIES.index("local0") else index - FACILITIES.index("local0") + 16

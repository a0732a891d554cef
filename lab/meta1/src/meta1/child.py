"""A process that mcp has started: what it says, and its end, without polling."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable

from meta1.pidfile import start_time

MAX_SAID = 4096


class Child:
    """One running process, watched through its pipe and its pidfd."""

    def __init__(
        self, name: str, process: subprocess.Popen[bytes], reader: int, uid: int
    ) -> None:
        self.name = name
        self.uid = uid
        self.pid = process.pid
        self.born = time.monotonic()
        self.started = start_time(process.pid)
        self._process = process
        self._reader: int | None = reader
        self._pidfd = os.pidfd_open(process.pid)
        self._said = b""

    def watch(
        self, told: Callable[[Child, str], None], ended: Callable[[Child, str], None]
    ) -> None:
        """Call ``told`` with each word it says and ``ended`` once."""
        loop = asyncio.get_running_loop()
        assert self._reader is not None
        os.set_blocking(self._reader, False)
        loop.add_reader(self._reader, self._read, told)
        loop.add_reader(self._pidfd, self._exited, told, ended)

    def send(self, number: signal.Signals) -> None:
        """Send a signal; a process that has just ended is fine."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, number)

    def _read(self, told: Callable[[Child, str], None]) -> None:
        if self._reader is None:
            return
        try:
            data = os.read(self._reader, MAX_SAID)
        except BlockingIOError:
            return
        if not data:
            self._close_reader()
        # What a module says without end is cut: it is not trusted more than anybody.
        *lines, self._said = (self._said + data)[-MAX_SAID:].split(b"\n")
        for line in lines:
            told(self, line.decode("ascii", "replace"))

    def _exited(
        self, told: Callable[[Child, str], None], ended: Callable[[Child, str], None]
    ) -> None:
        self._read(told)
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._close_reader()
        code = self._process.wait()
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit {code}"
        ended(self, how)

    def _close_reader(self) -> None:
        if self._reader is not None:
            asyncio.get_running_loop().remove_reader(self._reader)
            os.close(self._reader)
            self._reader = None

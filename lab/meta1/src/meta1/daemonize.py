"""Go to the background, and tell who started mcp how that went: by a byte, not by waiting."""

from __future__ import annotations

import contextlib
import os
import socket
import sys


class Starter:
    """The process that started mcp and waits until the modules serve; nobody in the foreground."""

    def __init__(self, is_foreground: bool) -> None:
        self.is_foreground = is_foreground
        self._reader, self._writer = (-1, -1) if is_foreground else os.pipe()

    def is_parent(self) -> bool:
        """Fork into the background; true in the process that stays with the terminal."""
        if self.is_foreground:
            return False
        if os.fork():
            os.close(self._writer)
            return True
        os.close(self._reader)
        os.setsid()
        os.chdir("/")
        null = os.open(os.devnull, os.O_RDWR)
        # Standard error stays until the start is over, so that faults reach the terminal.
        for each in (0, 1):
            os.dup2(null, each)
        os.close(null)
        return False

    def wait(self) -> int:
        """In the parent: the exit status, when the start is over."""
        with os.fdopen(self._reader, "rb") as reader:
            said = reader.read().decode("utf-8", "replace")
        if said == "ok":
            return 0
        print(said or "mcp: ended before the modules were started, see the log", file=sys.stderr)
        return 1

    def done(self, not_serving: list[str], log: int) -> None:
        """The start is over; from now on standard error goes to this descriptor."""
        text = f"mcp: running, but not serving: {', '.join(not_serving)}; see the log"
        self._say(text if not_serving else "ok")
        if not self.is_foreground:
            os.dup2(log, 2)

    def failed(self, text: str) -> None:
        """Nothing was started."""
        self._say(text)

    def _say(self, text: str) -> None:
        if self.is_foreground or self._writer < 0:
            if text != "ok":
                print(text, file=sys.stderr)
            return
        with contextlib.suppress(OSError):
            os.write(self._writer, text.encode("utf-8"))
        os.close(self._writer)
        self._writer = -1


def notify_systemd(text: str) -> None:
    """Tell systemd, when it started us with ``Type=notify``."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address:
        name = "\0" + address[1:] if address.startswith("@") else address
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to:
            to.sendto(text.encode("ascii"), name)

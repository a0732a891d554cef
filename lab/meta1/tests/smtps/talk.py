"""What the tests of smtps use to talk to it."""

from __future__ import annotations

import smtplib
import socket
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

from server_fixture import Running

from meta1.messages import (
    CheckAccess,
)

Start = Callable[..., Running]
MAIL = "Subject: test\r\n\r\nhello\r\n"
ACCESS = "flags = { 8bitmime, access };"


def talk(running: Running, *lines: str | bytes) -> list[str]:
    """Say all lines, one write a line, and read until the server closes."""
    with closing(Raw(running)) as raw:
        raw.line()
        got = []
        for line in lines:
            raw.send(line if isinstance(line, bytes) else line.encode() + b"\r\n")
            got.append(raw.reply())
        return got


class Raw:
    """A socket with lines."""

    def __init__(self, running: Running) -> None:
        """Connect."""
        self.socket = socket.create_connection(("127.0.0.1", running.port), timeout=60)
        self.file = self.socket.makefile("rb")

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self.socket.sendall(data)

    def line(self) -> str:
        """Read a line, empty at the end."""
        return self.file.readline().decode().rstrip("\r\n")

    def reply(self) -> str:
        """Read a reply; give its last line."""
        while (line := self.line())[3:4] == "-":
            pass
        return line

    def close(self) -> None:
        """Close."""
        self.file.close()
        self.socket.close()


def wait_for(condition: Callable[[], Any], seconds: float = 60) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def send(
    running: Running, *recipients: str, body: str = MAIL, sender: str = "bob@lab.example"
) -> None:
    """Send a mail with smtplib."""
    with smtplib.SMTP("127.0.0.1", running.port, "client.lab.example", timeout=60) as client:
        client.sendmail(sender, list(recipients) or ["alice@lab.example"], body)


def stages(running: Running) -> list[str]:
    """List the stages that smar was asked about."""
    return [message.stage for message in running.smar.seen if isinstance(message, CheckAccess)]


def sessions_of(running: Running) -> Any:
    """Find the sessions of the server that runs in this process."""
    import gc

    from meta1.smtps_session import Session

    return [one for one in gc.get_objects() if isinstance(one, Session) and one.transport]

"""How long a client waits for the 250 behind the final dot: smtp-source does not tell.

A closed loop: each session sends a message, waits for each reply as smtp-source does, and begins
with the next. The same for every server: its own share of the processors counts for all alike.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from functools import partial

STEP = 30.0
"""Seconds that a run may take."""


@dataclass(slots=True)
class Plan:
    """What all sessions send, and what they found."""

    port: int
    messages: int
    octets: int
    reuse: bool
    begun: int = 0
    waited: list[float] = field(default_factory=list)

    def body(self, number: int) -> bytes:
        """A message of about that many octets, none like another."""
        name = f"Message-Id: <{time.time_ns()}.{number}@bench>"
        head = f"From: <carol@partner.example>\r\n{name}\r\n\r\n"
        line = b"x" * 76 + b"\r\n"
        return head.encode() + line * (max(1, self.octets - len(head)) // len(line)) + b".\r\n"

    def next(self) -> int | None:
        """The number of the next message; None when there are enough."""
        if self.begun == self.messages:
            return None
        self.begun += 1
        return self.begun


class Refused(Exception):
    """A server said something that a server which is well does not say."""


class Client(asyncio.Protocol):
    """One session; `ended` is done when it has no more to send."""

    def __init__(self, plan: Plan, ended: asyncio.Future[None], number: int) -> None:
        """Wait for the greeting."""
        self._plan = plan
        self._ended = ended
        self._number = number
        self._transport: asyncio.Transport | None = None
        self._replies = b""
        self._dot = 0.0
        self._steps = self._dialog()
        next(self._steps)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way to answer."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take the next step at the end of each reply."""
        now = time.perf_counter()
        self._replies += data
        while (end := self._replies.find(b"\r\n")) >= 0:
            line, self._replies = self._replies[:end], self._replies[end + 2 :]
            if line[3:4] == b"-":
                continue
            try:
                said = self._steps.send((line, now))
            except StopIteration:
                self._done(None)
                return
            except Refused as error:
                self._done(error)
                return
            if self._transport is not None:
                self._transport.write(said)

    def connection_lost(self, error: Exception | None) -> None:
        """The server hung up before we did."""
        self._done(error or Refused("connection closed"))

    def _done(self, error: Exception | None) -> None:
        if self._transport is not None:
            self._transport.close()
            self._transport = None
        if not self._ended.done():
            self._ended.set_exception(error) if error else self._ended.set_result(None)

    def _dialog(self) -> Generator[bytes, tuple[bytes, float], None]:
        """Replies in, commands out."""
        plan, number = self._plan, self._number
        line, _ = yield b""
        _want(line, b"220")
        line, _ = yield b"EHLO client.lab.example\r\n"
        while True:
            _want(line, b"250")
            line, _ = yield b"MAIL FROM:<carol@partner.example>\r\n"
            _want(line, b"250")
            line, _ = yield b"RCPT TO:<alice@lab.example>\r\n"
            _want(line, b"250")
            line, _ = yield b"DATA\r\n"
            _want(line, b"354")
            body = plan.body(number)
            sent = time.perf_counter()
            line, now = yield body
            _want(line, b"250")
            plan.waited.append(now - sent)
            following = plan.next() if plan.reuse else None
            if following is None:
                break
            number = following
        line, _ = yield b"QUIT\r\n"
        _want(line, b"221")


def _want(line: bytes, code: bytes) -> None:
    if not line.startswith(code):
        raise Refused(line.decode("ascii", "replace"))


async def _session(plan: Plan) -> None:
    """Send until there are enough, on one connection or on one a message."""
    loop = asyncio.get_running_loop()
    while (number := plan.next()) is not None:
        ended: asyncio.Future[None] = loop.create_future()
        await loop.create_connection(partial(Client, plan, ended, number), "127.0.0.1", plan.port)
        await ended


async def _all(plan: Plan, sessions: int) -> None:
    async with asyncio.timeout(STEP):
        await asyncio.gather(*(_session(plan) for _ in range(sessions)))


def measure(port: int, sessions: int, messages: int, octets: int, reuse: bool) -> list[float]:
    """Seconds that each message waited for its 250, shortest first.

    Raises `Refused`, `TimeoutError`, `OSError`.
    """
    plan = Plan(port, messages, octets, reuse)
    asyncio.run(_all(plan, sessions))
    return sorted(plan.waited)

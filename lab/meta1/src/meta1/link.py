"""The side that connects: a `Link` that stays up, and the `Requests` under way on it.

Used by smtps (to qmgr and smar), smtpc (to qmgr), qmgr (to smar) and the tools.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final, Generic, TypeVar

from meta1.channel import Channel, OnClose, OnMessage, OnOpen, do_nothing
from meta1.messages import Hello, Message

FIRST_PAUSE: Final = 0.02
LONGEST_PAUSE: Final = 2.0

_log = logging.getLogger(__name__)
Answer = TypeVar("Answer")


class Link:
    """The side that connects: keeps trying, with pauses that grow, as long as it is wanted."""

    def __init__(
        self,
        path: Path,
        me: Hello,
        on_message: OnMessage,
        on_open: OnOpen,
        on_close: OnClose = do_nothing,
    ) -> None:
        """Prepare; `start` connects."""
        self._path = path
        self._me = me
        self._on_message = on_message
        self._on_open = on_open
        self._on_close = on_close
        self._channel: Channel | None = None
        self._wanted = False
        self._pause = FIRST_PAUSE
        self._task: asyncio.Task[None] | None = None

    @property
    def is_open(self) -> bool:
        """Tell whether the peer can be asked now."""
        return self._channel is not None and self._channel.is_open

    @property
    def is_congested(self) -> bool:
        """Tell whether the peer is there but does not keep up."""
        return self._channel is not None and self._channel.is_congested

    def start(self) -> None:
        """Connect now and after each loss."""
        self._wanted = True
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._keep_connected())

    def stop(self) -> None:
        """Connect no more and close what is open."""
        self._wanted = False
        if self._task is not None:
            self._task.cancel()
        if self._channel is not None:
            self._channel.close()

    def send(self, message: Message) -> bool:
        """Send if connected; False tells the caller to answer for itself."""
        channel = self._channel
        if channel is None or not channel.is_open:
            return False
        channel.send(message)
        return True

    async def _keep_connected(self) -> None:
        """Connect, wait for the end, pause, and so on."""
        while self._wanted:
            ended = asyncio.Event()
            await self._connect(ended)
            await ended.wait()
            await asyncio.sleep(self._pause)
            self._pause = min(self._pause * 2, LONGEST_PAUSE)

    async def _connect(self, ended: asyncio.Event) -> None:
        """Try once; `ended` is set when the connection is over or did not come about."""

        def make() -> Channel:
            """Build the protocol that also wakes us at the end."""
            return _LinkChannel(self, ended)

        loop = asyncio.get_running_loop()
        try:
            _, channel = await loop.create_unix_connection(make, str(self._path))
        except OSError as error:
            _log.debug("%s: %s", self._path, error.strerror)
            ended.set()
            return
        self._channel = channel

    def opened(self, channel: Channel, hello: Hello) -> None:
        """Begin with short pauses again once the peer has greeted."""
        self._channel = channel
        self._pause = FIRST_PAUSE
        self._on_open(channel, hello)


class _LinkChannel(Channel):
    """A channel that tells its link when it is over, also before the Hello."""

    def __init__(self, link: Link, ended: asyncio.Event) -> None:
        """Use the callbacks of the link."""
        super().__init__(link._me, link._on_message, link.opened, link._on_close)
        self._ended = ended

    def connection_lost(self, error: Exception | None) -> None:
        """Wake the link up after the owner has been told."""
        super().connection_lost(error)
        self._ended.set()


class Requests(Generic[Answer]):
    """Requests that wait for an answer, all with the same patience.

    A callback is called exactly once: with the answer, or with None when the peer went away or
    did not answer in time.  Pure: the time comes in as an argument.
    """

    def __init__(self, patience: float) -> None:
        """Wait `patience` seconds for each answer."""
        self._patience = patience
        self._last = 0
        self._open: dict[int, tuple[float, Callable[[Answer | None], None]]] = {}

    def __len__(self) -> int:
        """Count the requests under way."""
        return len(self._open)

    def waits(self, request_id: int) -> bool:
        """Tell whether a request is still under way."""
        return request_id in self._open

    def begin(self, now: float, callback: Callable[[Answer | None], None]) -> int:
        """Remember a request and give the number to send it under."""
        self._last += 1
        self._open[self._last] = (now + self._patience, callback)
        return self._last

    def finish(self, request_id: int, answer: Answer) -> bool:
        """Hand the answer over; False if nobody waits for it any more."""
        entry = self._open.pop(request_id, None)
        if entry is None:
            return False
        entry[1](answer)
        return True

    def expire(self, now: float) -> int:
        """Give up on those that waited too long (they were begun in this order)."""
        late: list[Callable[[Answer | None], None]] = []
        for request_id, (deadline, callback) in list(self._open.items()):
            if deadline > now:
                break
            del self._open[request_id]
            late.append(callback)
        return self._fail(late)

    def fail_all(self) -> int:
        """Give up on all, because the connection is gone."""
        waiting = [callback for _, callback in self._open.values()]
        self._open.clear()
        return self._fail(waiting)

    def _fail(self, callbacks: list[Callable[[Answer | None], None]]) -> int:
        """Call back with None; done last, since a callback may begin a new request."""
        for callback in callbacks:
            callback(None)
        return len(callbacks)

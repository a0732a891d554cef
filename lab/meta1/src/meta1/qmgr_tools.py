"""The side of qmgr that mailq and qmgrctl talk to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Final

from meta1.channel import Channel
from meta1.messages import ControlQueue, Hello, Message, QueueControlled
from meta1.queue.control import Refused, control
from meta1.queue.desk import Desk

LINES_AT_A_TIME: Final = 200


class Tools:
    """Answers commands, a piece of a long answer at a time."""

    def __init__(self, desk: Desk, touch: Callable[[], None]) -> None:
        """Serve this desk; `touch` is called when something may have changed."""
        self._desk = desk
        self._touch = touch
        self._answers: set[asyncio.Task[None]] = set()

    def channel(self) -> Channel:
        """The channel for a tool; the mode of the socket says who may connect."""
        return Channel(Hello("qmgr"), self._command, _welcome)

    def _command(self, channel: Channel, message: Message) -> None:
        """Begin with a command; anything else is ignored."""
        if isinstance(message, ControlQueue):
            task = asyncio.get_running_loop().create_task(self._answer(channel, message))
            self._answers.add(task)
            task.add_done_callback(self._answers.discard)

    async def _answer(self, channel: Channel, message: ControlQueue) -> None:
        """Send lines as they are made, with other work between the pieces."""
        piece: list[str] = []
        ok = True
        try:
            for line in self._lines(message):
                piece.append(line)
                if len(piece) == LINES_AT_A_TIME:
                    channel.send(QueueControlled(message.request_id, True, tuple(piece), True))
                    piece = []
                    self._touch()
                    await asyncio.sleep(0)
        except Refused as error:
            ok = False
            piece.append(str(error))
        self._touch()
        channel.send(QueueControlled(message.request_id, ok, tuple(piece)))

    def _lines(self, message: ControlQueue) -> Iterator[str]:
        """Run the command."""
        return control(self._desk, message.command, message.arguments)


def _welcome(channel: Channel, hello: Hello) -> None:
    """A tool needs no greeting besides ours."""

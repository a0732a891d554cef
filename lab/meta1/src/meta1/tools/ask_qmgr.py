"""How mailq and qmgrctl ask qmgr: one command, its lines, over the control socket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

from meta1.channel import Channel
from meta1.messages import ControlQueue, Hello, Message, QueueControlled

CONNECT_WITHIN: Final = 5.0
SILENCE: Final = 60.0


class NoAnswer(Exception):
    """qmgr cannot be asked."""


class _Question(Channel):
    """A channel for one command."""

    def __init__(self, command: str, arguments: tuple[str, ...], show: Callable[[str], None]):
        """Ask as soon as qmgr has greeted."""
        super().__init__(Hello("tool"), self._answered, self._ask, self._lost)
        self._command = ControlQueue(1, command, arguments)
        self._show = show
        self.has_heard = False
        self.result: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def _ask(self, channel: Channel, hello: Hello) -> None:
        """Send the command."""
        self.has_heard = True
        channel.send(self._command)

    def _answered(self, channel: Channel, message: Message) -> None:
        """Show a piece of the answer."""
        if not isinstance(message, QueueControlled):
            return
        self.has_heard = True
        for line in message.lines:
            self._show(line)
        if not message.more and not self.result.done():
            self.result.set_result(message.ok)

    def _lost(self, channel: Channel) -> None:
        """qmgr went away."""
        if not self.result.done():
            self.result.set_exception(NoAnswer("qmgr closed the connection"))


def ask(
    socket: Path, command: str, arguments: tuple[str, ...], show: Callable[[str], None]
) -> bool:
    """Run a command; `show` gets each line; False if qmgr says it cannot be done."""
    return asyncio.run(_ask(socket, command, arguments, show))


async def _ask(
    socket: Path, command: str, arguments: tuple[str, ...], show: Callable[[str], None]
) -> bool:
    """Connect, ask, wait as long as something comes."""
    question = _Question(command, arguments, show)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(CONNECT_WITHIN):
            await loop.create_unix_connection(lambda: question, str(socket))
    except (OSError, TimeoutError) as error:
        raise NoAnswer(f"{socket}: {error or 'no answer'}") from error
    while True:
        question.has_heard = False
        try:
            ok = await asyncio.wait_for(asyncio.shield(question.result), SILENCE)
        except TimeoutError as error:
            if not question.has_heard:
                raise NoAnswer("qmgr does not answer") from error
        else:
            question.close()
            return ok

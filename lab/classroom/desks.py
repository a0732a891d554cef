"""What may be asked of the broker, a method for each verb of `lab.classroom.protocol`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lab.classroom.events import now
from lab.classroom.keeper import Keeper
from lab.classroom.progress import Event
from lab.classroom.protocol import Request
from lab.classroom.serve import Channel, Passed
from lab.errors import LabError, UnknownName

if TYPE_CHECKING:
    from lab.classroom.broker import Broker

WATCH_SECONDS = 0.5
"""At least so long between two tables for one who watches."""
PULSE_SECONDS = 15.0
"""At most so long, so that one who has left is noticed."""


class TraineeDesk:
    """Answers one trainee. Methods are the verbs of `protocol.OF_TRAINEES`."""

    def __init__(self, name: str, keeper: Keeper, broker: Broker) -> None:
        self._name = name
        self._keeper = keeper
        self._broker = broker

    async def answer(self, request: Request, channel: Channel) -> object:
        """Do what is asked, by the method of that name."""
        return await getattr(self, request.do)(channel, **request.arguments)

    async def up(self, channel: Channel) -> object:
        """How to log in to the machine, which runs then."""
        return await self._keeper.up(channel.say)

    async def down(self, _: Channel) -> object:
        """Drop machine and checkpoints."""
        await self._keeper.down()
        return {}

    async def status(self, _: Channel) -> object:
        """What is known of the machine."""
        return {"state": self._keeper.state, "detail": ""}

    async def names(self, _: Channel) -> object:
        """Checkpoints: the class's, then the trainee's."""
        return await self._keeper.names()

    async def save(self, _: Channel, name: str) -> object:
        """Keep the machine's state."""
        await self._keeper.save(name)
        await self._broker.saved(self._name)
        return {}

    async def restore(self, _: Channel, name: str) -> object:
        """Put the machine back."""
        await self._keeper.restore(name)
        return {}

    async def forget(self, _: Channel, name: str) -> object:
        """Drop a checkpoint."""
        await self._keeper.forget(name)
        await self._broker.saved(self._name)
        return {}

    async def cut_power(self, _: Channel) -> object:
        """End the machine at once."""
        await self._keeper.cut_power()
        return {}

    async def connect(self, _: Channel) -> object:
        """A stream to sshd."""
        return Passed(self._keeper.connect())

    async def event(self, _: Channel, kind: str, chapter: int, detail: Mapping[str, Any]) -> object:
        """Keep what the trainee did."""
        if chapter not in self._broker.numbers:
            raise UnknownName("chapter", str(chapter), map(str, self._broker.numbers))
        self._broker.add(Event(now(), self._name, kind, chapter, detail))
        return {}

    async def messages(self, _: Channel, since: int) -> object:
        """What was said to the trainee."""
        return self._broker.events.messages(self._name, since)


class InstructorDesk:
    """Answers the instructor's page, the spawner, `lab class`. Methods are the verbs of `protocol.OF_INSTRUCTORS`."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    async def answer(self, request: Request, channel: Channel) -> object:
        """Do what is asked, by the method of that name."""
        return await getattr(self, request.do)(channel, **request.arguments)

    async def table(self, _: Channel) -> object:
        """Trainees and chapters."""
        return self._broker.table()

    async def watch(self, channel: Channel) -> object:
        """The table at every change, until the client leaves."""
        while True:
            moved = self._broker.moved
            await channel.put(self._broker.table())
            await asyncio.sleep(WATCH_SECONDS)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(moved.wait(), PULSE_SECONDS)

    async def goto(self, channel: Channel, trainees: object, chapter: int) -> object:
        """Put machines to the start of a chapter; says who is there, answers who is not and why."""
        names = self._broker.named(trainees)
        start = self._broker.start_of(chapter)

        async def go(name: str) -> str:
            try:
                await self._broker.keepers[name].restore(start)
                self._broker.add(Event(now(), name, "goto", chapter, {"by": "instructor"}))
            except LabError as error:
                return error.message
            text = f"Your instructor has put your machine to the start of chapter {chapter}."
            self._broker.events.say([name], text)
            channel.say(name)
            return ""

        found = dict(zip(names, await asyncio.gather(*map(go, names)), strict=True))
        return {"failed": {name: why for name, why in found.items() if why}}

    async def say(self, _: Channel, trainees: object, text: str) -> object:
        """Leave a message."""
        self._broker.events.say(self._broker.named(trainees), text)
        return {}

    async def machine(self, channel: Channel, trainee: str, verb: str) -> object:
        """Start a machine, or end it with its disk kept."""
        (name,) = self._broker.named([trainee])
        keeper = self._broker.keepers[name]
        if verb == "up":
            await keeper.up(channel.say)
        elif keeper.state == "running":
            await keeper.cut_power()
        return {"state": keeper.state}

    async def server(self, _: Channel, trainee: str, running: bool) -> object:
        """Keep whether a trainee's JupyterLab runs."""
        (name,) = self._broker.named([trainee])
        self._broker.server(name, running)
        return {}

    async def prepared(self, _: Channel) -> object:
        """How far the class's own ends of chapters are, and what is being done for them."""
        done = [each.number for each in self._broker.prepared()]
        return {"chapters": done, "of": len(self._broker.numbers), "at": self._broker.preparing}

"""smar as a process: access, client names and routes over its socket, maps read again."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from meta1.link import Link
from meta1.maps.berkeley import write_hash
from meta1.messages import (
    AccessChecked,
    CheckAccess,
    Client,
    ClientResolved,
    Hello,
    Message,
    ResolveClient,
    ResolveRoute,
    RouteResolved,
    Stage,
    Verdict,
)

sys.path.insert(0, str(Path(__file__).parents[1] / "smtpc"))
from daemons import Daemons


class Asker:
    """A peer that asks and waits."""

    def __init__(self, path: Path) -> None:
        """Connect to this socket."""
        self.answers: dict[int, Message] = {}
        self.changed = asyncio.Event()
        self.link = Link(path, Hello("smtps"), self._heard, lambda channel, hello: None)
        self.link.start()

    def _heard(self, channel: object, message: Message) -> None:
        """Note an answer."""
        self.answers[getattr(message, "request_id", 0)] = message
        self.changed.set()

    async def ask(self, *messages: Message) -> list[Message]:
        """Ask all at once, wait for all."""
        numbers = [getattr(one, "request_id", 0) for one in messages]
        async with asyncio.timeout(60):
            while not self.link.is_open:
                await asyncio.sleep(0.01)
            for one in messages:
                self.link.send(one)
            while not set(numbers) <= self.answers.keys():
                self.changed.clear()
                await self.changed.wait()
        return [self.answers.pop(number) for number in numbers]


def test_questions(tmp_path: Path) -> None:
    """Each kind is answered; a new access map counts within a second or so."""

    async def talk(daemons: Daemons) -> None:
        asker = Asker(daemons.spool / "smar/smar.sock")
        client = Client("192.0.2.1")
        check = CheckAccess(1, Stage.RCPT, client, "a@b.test", "x@far.test")
        local = CheckAccess(2, Stage.RCPT, client, "a@b.test", "u@local.test")
        found = await asker.ask(
            check, local, ResolveClient(3, "127.0.0.1"), ResolveClient(4, "nonsense"),
            ResolveRoute(5, "u@local.test"), CheckAccess(6, Stage.RCPT, client, "<>", "postmaster"),
        )  # fmt: skip
        assert isinstance(found[0], AccessChecked) and found[0].text == "Relaying denied"
        assert isinstance(found[1], AccessChecked) and found[1].verdict is Verdict.ACCEPT
        assert found[2] == ClientResolved(3, "OK", "localhost")
        assert found[3] == ClientResolved(4, "FAIL")
        assert isinstance(found[4], RouteResolved) and found[4].targets
        assert isinstance(found[5], AccessChecked) and found[5].verdict is Verdict.ACCEPT
        write_hash(tmp_path / "access.db", [("cltaddr:192.0.2", "relay")])
        await asyncio.sleep(1.2)
        (again,) = await asker.ask(check)
        assert isinstance(again, AccessChecked) and again.verdict is Verdict.RELAY
        asker.link.stop()
        await asyncio.sleep(0.05)

    async def run() -> None:
        daemons = Daemons(tmp_path)
        try:
            await daemons.start("smar")
            await talk(daemons)
            daemons.stop()
        finally:
            daemons.abandon()

    asyncio.run(run())


def test_many_questions_at_once(tmp_path: Path) -> None:
    """Thousands are all answered; smar does not take more at a time than it can work on."""

    async def run() -> None:
        daemons = Daemons(tmp_path)
        try:
            await daemons.start("smar")
            asker = Asker(daemons.spool / "smar/smar.sock")
            questions = [ResolveRoute(number, f"u{number}@local.test") for number in range(1, 6001)]
            found = await asker.ask(*questions)
            assert all(isinstance(one, RouteResolved) and one.targets for one in found)
            asker.link.stop()
            await asyncio.sleep(0.05)
            daemons.stop()
        finally:
            daemons.abandon()

    asyncio.run(run())

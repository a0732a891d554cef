"""qmgr: the queue manager.  Owns all envelopes; nobody else reads or writes them.

This is the shell around `queue.desk`: sockets to smtps, smtpc, smar and the tools, the clock,
and the hand-over to the commit thread at the end of each turn of the loop.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from typing import Final, cast

from meta1 import maillog
from meta1.channel import Channel, serve
from meta1.config import Config, Module, Qmgr
from meta1.doubt import Doubt
from meta1.messages import (
    AbortTransaction,
    CapacityChanged,
    CommitTransaction,
    Deliver,
    DeliveryReported,
    Hello,
    Message,
    QueueStateChanged,
    RemoveSegment,
    SealSegment,
)
from meta1.peers import uids_of
from meta1.program import Service, run
from meta1.qmgr_peers import Clients, Routed, Routes
from meta1.qmgr_stores import Stores, limits_of, open_stores, reporter_of
from meta1.qmgr_tools import Tools
from meta1.queue.desk import Desk
from meta1.queue.entry import Entry
from meta1.queue.ledger import Ledger

TICK: Final = 1.0
SET_BACK: Final = 1.0
"""Seconds by which the time of day must have gone back for us to notice."""
GRACE: Final = 3.0
"""How long smtpc may take to report on what it has, when qmgr is told to end."""


class Manager:
    """The running queue manager."""

    def __init__(self, service: Service, section: Qmgr) -> None:
        """Rebuild the queue from disk; `begin` starts to work on it."""
        self._service = service
        self._me = Hello("qmgr")
        self._loop = asyncio.get_running_loop()
        self._servers: set[Channel] = set()
        self.doubt = Doubt(service)
        self._turn_planned = False
        self._accepting = True
        self._quiet = asyncio.Event()
        self._last_times = (time.time(), self._loop.time())
        self._stores: Stores = open_stores(service.config, section, self._disk_failed, self.touch)
        self._clients = Clients()
        self._routes = Routes(service.config.spool("smar/smar.sock"), self._me, self.touch)
        self.ledger = Ledger(self._content_unused)
        self.desk = Desk(
            limits_of(section), reporter_of(service.hostname, section), section.double_bounce,
            self.ledger, self, _id_maker(),
        )  # fmt: skip
        self._entries = self._stores.recover(self.ledger)

    # ---- what the desk asks for ------------------------------------------------------------

    def now(self) -> float:
        """The time of day."""
        return time.time()

    def load(self, transaction_id: str) -> Entry | None:
        """Read a message from DEFEDB."""
        return self._stores.reader.load(transaction_id)

    def resolve(
        self, transaction_id: str, forward_path: str, expand: bool, callback: Routed
    ) -> None:
        """Ask smar."""
        self._routes.ask(transaction_id, forward_path, expand, callback)

    def deliver(self, delivery: Deliver) -> None:
        """Hand a delivery to smtpc."""
        self._clients.deliver(delivery)

    # ---- life ------------------------------------------------------------------------------

    def begin(self) -> None:
        """Connect to smar, go on with what was in the queue."""
        self._stores.thread.start(self._loop)
        self._routes.start()
        self.desk.start(self._entries)
        self._entries = []
        self._tick()

    def reload(self, config: Config, section: Module) -> None:
        """Use new limits from now on."""
        qmgr = cast(Qmgr, section)
        limits = limits_of(qmgr)
        self.desk.queue.limits = limits
        self.desk.verdicts.limits = limits
        self.desk.verdicts.reporter = reporter_of(self._service.hostname, qmgr)
        self.desk.verdicts.double_bounce = qmgr.double_bounce

    async def finish(self) -> None:
        """Hand out nothing more, and hear of what is under way: else it would be sent twice."""
        self.desk.is_ending = True
        self.touch()
        try:
            await asyncio.wait_for(self._quiet.wait(), GRACE)
        except TimeoutError:
            maillog.trouble("deliveries not reported", count=self.desk.under_way)

    def end(self) -> None:
        """Write down all that is known and close the stores."""
        self._end_turn()
        self._routes.stop()
        self._stores.close()

    def touch(self) -> None:
        """Something happened: finish this turn of the loop with pumping and writing."""
        if not self._turn_planned:
            self._turn_planned = True
            self._loop.call_soon(self._end_turn)

    def _end_turn(self) -> None:
        """Have written what is to be, hand out work, tell smtps how full it is."""
        while batch := self.ledger.take_batch():
            # What is written at once may have results at once, and these more to be written.
            self._stores.thread.submit(batch)
        self._turn_planned = False
        self.desk.pump(time.time())
        if self.desk.is_ending and not self.desk.under_way:
            self._quiet.set()
        if self._accepting != (not self.desk.refusal):
            self._accepting = not self._accepting
            for channel in self._servers:
                self._tell_state(channel)

    def _tick(self) -> None:
        """Once a second: what is due, what waited too long, how much space there is."""
        self._routes.expire(self._loop.time())
        self.desk.has_room = self._stores.has_room()
        now, steady = time.time(), self._loop.time()
        if (now - self._last_times[0]) - (steady - self._last_times[1]) < -SET_BACK:
            maillog.trouble("clock set back")
            self.desk.clock_set_back(now)
        self._last_times = now, steady
        self.desk.tick(now)
        self.touch()
        self._loop.call_later(TICK, self._tick)

    def _disk_failed(self, error: OSError) -> None:
        """Nothing can be promised any more: end, so that mcp and an operator see it."""
        self.doubt.notice(error)

    # ---- smtps -----------------------------------------------------------------------------

    def server_channel(self) -> Channel:
        """The channel for an smtps that connects."""
        users = [section.user or "meta1s" for section in self._service.config.smtps]
        allowed = uids_of("meta1s", *users)
        return Channel(
            self._me, self._from_server, self._server_came, self._server_went, allowed_uids=allowed
        )

    def _server_came(self, channel: Channel, hello: Hello) -> None:
        """Tell it whether mail is taken."""
        self._servers.add(channel)
        self._tell_state(channel)

    def _server_went(self, channel: Channel) -> None:
        """It will say again which files it has."""
        self._servers.discard(channel)
        if not self._servers:
            self.ledger.unseal_all()

    def _tell_state(self, channel: Channel) -> None:
        """Say whether mail is taken."""
        channel.send(QueueStateChanged(not self.desk.refusal, self.desk.refusal))

    def _from_server(self, channel: Channel, message: Message) -> None:
        """Act on a message of smtps."""
        match message:
            case CommitTransaction():
                self.desk.commit(message.envelope, channel.send)
            case AbortTransaction():
                self.desk.abort(message.transaction_id)
            case SealSegment():
                self.ledger.seal(message.path)
            case _:
                maillog.trouble("unexpected message", kind=type(message).__name__)
        self.touch()

    def _content_unused(self, path: str) -> None:
        """Have a CDB file removed; each smtps knows which are its own."""
        for channel in self._servers:
            channel.send(RemoveSegment(path))

    # ---- smtpc -----------------------------------------------------------------------------

    def client_channel(self) -> Channel:
        """The channel for an smtpc that connects."""
        allowed = uids_of("meta1c", self._service.config.smtpc.user)
        return Channel(
            self._me, self._from_client, self._clients.came, self._client_went, allowed_uids=allowed
        )

    def _client_went(self, channel: Channel) -> None:
        """Nobody knows what became of its deliveries."""
        lost = self._clients.went(channel)
        self.desk.slots = self._clients.slots
        self.desk.lost(lost)
        self.touch()

    def _from_client(self, channel: Channel, message: Message) -> None:
        """Act on a message of smtpc."""
        match message:
            case DeliveryReported():
                self._clients.done(channel, message.delivery_id)
                self.desk.reported(message)
            case CapacityChanged():
                self._clients.capacity(channel, message.slots)
                self.desk.slots = self._clients.slots
            case _:
                maillog.trouble("unexpected message", kind=type(message).__name__)
        self.touch()


def _id_maker() -> Callable[[], str]:
    """Make the function that names our own reports; time keeps the names of two runs apart."""
    last = time.time_ns()

    def new_id() -> str:
        """Name a report: like the ids of smtps, with a Q."""
        nonlocal last
        last = max(last + 1, time.time_ns())
        return f"Q{last:016X}00"

    return new_id


async def serve_queue(service: Service) -> None:
    """Run until told to stop; raise if the disk failed."""
    manager = Manager(service, cast(Qmgr, service.section))
    service.on_reload(manager.reload)
    tools = Tools(manager.desk, manager.touch)
    spool = service.config.spool
    listeners = [
        await serve(spool("qmgr/smtps.sock"), manager.server_channel, mode=0o666),
        await serve(spool("qmgr/smtpc.sock"), manager.client_channel, mode=0o666),
        await serve(spool("qmgr/control.sock"), tools.channel, mode=0o660),
    ]
    manager.begin()
    service.ready()
    await service.stopping.wait()
    for listener in listeners:
        listener.close()
    if manager.doubt.failure is None:
        await manager.finish()
    manager.end()
    manager.doubt.raise_failure()


def main(argv: list[str] | None = None) -> int:
    """Be the program qmgr."""
    return run("qmgr", serve_queue, argv)


if __name__ == "__main__":
    sys.exit(main())

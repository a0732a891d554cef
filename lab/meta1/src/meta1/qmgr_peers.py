"""The modules that qmgr asks: smar for routes, smtpc for deliveries."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from meta1 import maillog
from meta1.channel import Channel
from meta1.link import Link, Requests
from meta1.memo import Memo
from meta1.messages import Deliver, Hello, Message, ResolveRoute, RouteResolved
from meta1.route_log import log_route

PATIENCE: Final = 60.0
"""How long a message waits for smar, also for one that is being started again."""

Routed = Callable[[RouteResolved | None], None]


class Routes:
    """Questions to smar; they survive its restart, but not for ever."""

    def __init__(self, path: Path, me: Hello, touch: Callable[[], None]) -> None:
        """Prepare; `touch` is called after answers."""
        self._link = Link(path, me, self._answered, self._came, self._went)
        self._requests: Requests[RouteResolved] = Requests(PATIENCE)
        self._open: dict[int, ResolveRoute] = {}
        self._known: Memo[RouteResolved] = Memo()
        self._touch = touch
        self._time = asyncio.get_running_loop().time

    def start(self) -> None:
        """Connect."""
        self._link.start()

    def stop(self) -> None:
        """Ask no more."""
        self._link.stop()

    def ask(self, transaction_id: str, forward_path: str, expand: bool, callback: Routed) -> None:
        """Ask for a route for a recipient of a message, or remember one."""
        now = self._time()
        known = self._known.find((forward_path, expand), now)
        if known is not None:
            log_route(transaction_id, forward_path, known)
            callback(known)
            return
        request_id = self._requests.begin(now, callback)
        request = ResolveRoute(request_id, forward_path, expand, transaction_id)
        self._open[request_id] = request
        self._link.send(request)

    def expire(self, now: float) -> None:
        """Give up on questions that waited too long."""
        if self._requests.expire(now):
            self._open = {
                number: one for number, one in self._open.items() if self._requests.waits(number)
            }
            self._touch()

    def _came(self, channel: Channel, hello: Hello) -> None:
        """Ask again all that is open: the old smar took its answers with it."""
        for request in self._open.values():
            channel.send(request)

    def _went(self, channel: Channel) -> None:
        """Questions wait for its return."""
        self._known.clear()
        maillog.trouble("smar is gone", waiting=len(self._open))

    def _answered(self, channel: Channel, message: Message) -> None:
        """Hand an answer to the message it is for."""
        if isinstance(message, RouteResolved):
            asked = self._open.pop(message.request_id, None)
            if asked is not None:
                question = (asked.forward_path, asked.expand)
                self._known.keep(question, message, self._time())
            self._requests.finish(message.request_id, message)
            self._touch()


@dataclass(slots=True)
class _Client:
    """One smtpc."""

    slots: int = 0
    deliveries: set[str] = field(default_factory=set)


class Clients:
    """The smtpc processes, and which of them has which delivery."""

    def __init__(self) -> None:
        """Begin without any."""
        self._clients: dict[Channel, _Client] = {}

    @property
    def slots(self) -> int:
        """How many deliveries all of them take at a time."""
        return sum(client.slots for client in self._clients.values())

    def came(self, channel: Channel, hello: Hello) -> None:
        """Note a new one; it will say how much it takes."""
        self._clients[channel] = _Client()

    def went(self, channel: Channel) -> set[str]:
        """Forget one; give what it was working on."""
        client = self._clients.pop(channel, None)
        return client.deliveries if client is not None else set()

    def capacity(self, channel: Channel, slots: int) -> None:
        """Note how much one takes."""
        self._clients[channel].slots = slots

    def deliver(self, delivery: Deliver) -> None:
        """Give a delivery to the one with the most room; the desk asks only if there is any."""
        channel = max(self._clients, key=self._room)
        self._clients[channel].deliveries.add(delivery.delivery_id)
        channel.send(delivery)

    def done(self, channel: Channel, delivery_id: str) -> bool:
        """Note the end of a delivery; False if this client never had it."""
        deliveries = self._clients[channel].deliveries
        if delivery_id not in deliveries:
            return False
        deliveries.discard(delivery_id)
        return True

    def _room(self, channel: Channel) -> int:
        """How much more one takes."""
        client = self._clients[channel]
        return client.slots - len(client.deliveries)

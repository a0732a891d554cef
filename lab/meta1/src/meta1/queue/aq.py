"""The active queue (AQ): what could be delivered now, sorted by destination.

It is bounded: `room` says how many recipients still fit, and whoever finds none waits outside
(the client of smtps with a 452, a deferred message in DEFEDB).  Destinations take turns, so
that a long queue for one of them does not hold up the others.  Pure: no I/O, no clock.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Final

from meta1.messages import NextHop, Transport
from meta1.queue.entry import Entry
from meta1.queue.schedule import Concurrency, Limits

RESUME_AT: Final = 0.9
"""A full queue takes messages again below this share, so that it does not flap."""
DEFERRED_SHARE: Final = 0.5
"""Messages that come back from DEFEDB may fill only this share: fresh ones have room."""


@dataclass(slots=True)
class Ready:
    """Some recipients of one message that go the same way."""

    entry: Entry
    numbers: tuple[int, ...]
    reverse_path: str


@dataclass(slots=True)
class Destination:
    """What waits for one next hop."""

    next_hop: NextHop
    concurrency: Concurrency
    ready: deque[Ready] = field(default_factory=deque)


@dataclass(frozen=True, slots=True)
class Started:
    """A delivery that the caller now hands to smtpc."""

    key: str
    next_hop: NextHop
    work: Ready


class ActiveQueue:
    """All destinations with work, and the count of recipients in memory."""

    def __init__(self, limits: Limits) -> None:
        """Start empty."""
        self.limits = limits
        self.size = 0
        self._full = False
        self._destinations: dict[str, Destination] = {}
        self._turns: OrderedDict[str, None] = OrderedDict()

    # ---- how full it is --------------------------------------------------------------------

    @property
    def is_accepting(self) -> bool:
        """Tell whether new messages may come in."""
        if self._full:
            self._full = self.size > self.limits.max_entries * RESUME_AT
        else:
            self._full = self.size >= self.limits.max_entries
        return not self._full

    @property
    def room_for_deferred(self) -> int:
        """How many recipients may come back from DEFEDB now."""
        return max(0, int(self.limits.max_entries * DEFERRED_SHARE) - self.size)

    def enter(self, count: int) -> None:
        """Count recipients that are in memory from now on."""
        self.size += count

    def leave(self, count: int) -> None:
        """Count recipients that are not any more."""
        self.size -= count

    # ---- work ------------------------------------------------------------------------------

    def put(self, next_hop: NextHop, work: Ready) -> None:
        """Queue work for a destination; the newest route to it is used for all."""
        destination = self._destinations.get(next_hop.key)
        if destination is None:
            destination = Destination(next_hop, self._fresh(next_hop))
            self._destinations[next_hop.key] = destination
        destination.next_hop = next_hop
        destination.ready.append(work)
        self._turns.setdefault(next_hop.key)

    def start(self, now: float, slots: int) -> list[Started]:
        """Take what may be delivered now, one piece of each destination in turn."""
        started: list[Started] = []
        passed_over = 0
        while len(started) < slots and passed_over < len(self._turns):
            key, _ = self._turns.popitem(last=False)
            destination = self._destinations[key]
            if destination.ready and destination.concurrency.can_start(now):
                destination.concurrency.started()
                started.append(Started(key, destination.next_hop, destination.ready.popleft()))
                passed_over = 0
            else:
                passed_over += 1
            if destination.ready:
                self._turns[key] = None
        return started

    def ended(self, key: str, reached: bool, now: float) -> list[Ready]:
        """Note the end of a delivery; give back what must wait since nobody answers there."""
        destination = self._destinations[key]
        if reached:
            destination.concurrency.reached()
            self._drop_if_idle(key, destination)
            return []
        destination.concurrency.not_reached(self.limits, now)
        stranded = list(destination.ready)
        destination.ready.clear()
        self._turns.pop(key, None)
        return stranded

    def cancelled(self, key: str) -> None:
        """A delivery came to nothing through no fault of the destination (smtpc is gone)."""
        self._destinations[key].concurrency.active -= 1

    def is_dead(self, key: str, now: float) -> bool:
        """Tell whether a destination is being left alone."""
        destination = self._destinations.get(key)
        return destination is not None and destination.concurrency.is_dead(now)

    def withdraw(self, entry: Entry) -> list[int]:
        """Take out all that waits of one message; give the numbers of its recipients."""
        numbers: list[int] = []
        for destination in self._destinations.values():
            kept = [work for work in destination.ready if work.entry is not entry]
            if len(kept) != len(destination.ready):
                for work in destination.ready:
                    if work.entry is entry:
                        numbers += work.numbers
                destination.ready = deque(kept)
        return numbers

    def revive(self) -> None:
        """Forget which destinations were dead, after a flush."""
        for destination in self._destinations.values():
            destination.concurrency.forget()

    def purge(self, now: float) -> None:
        """Forget destinations that have neither work nor a past worth keeping."""
        for key, destination in list(self._destinations.items()):
            idle = not destination.ready and destination.concurrency.active == 0
            if idle and not destination.concurrency.is_dead(now - self.limits.max_retry):
                del self._destinations[key]
                self._turns.pop(key, None)

    def overview(self) -> list[tuple[str, int, Concurrency]]:
        """List destinations with what waits for them, for qmgrctl."""
        return [
            (key, len(one.ready), one.concurrency)
            for key, one in sorted(self._destinations.items())
        ]

    def _fresh(self, next_hop: NextHop) -> Concurrency:
        """Begin slowly with a stranger; the LMTP server beside us has a fixed limit."""
        if next_hop.transport is Transport.LMTP:
            return Concurrency(self.limits.max_local, self.limits.max_local)
        most = self.limits.max_connections
        return Concurrency(min(self.limits.initial_connections, most), most)

    def _drop_if_idle(self, key: str, destination: Destination) -> None:
        """Keep a destination while its limit has been learned; `purge` takes the rest."""
        if not destination.ready:
            self._turns.pop(key, None)

"""Routes for the recipients of a message: asks smar, expands aliases, queues what has a way.

Used by the desk.  All recipients of a message are resolved together and then go on together,
so that those with the same way share one delivery.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol

from meta1.messages import NextHop, RecipientResult, RouteResolved
from meta1.queue.aq import ActiveQueue, Ready
from meta1.queue.entry import Entry, RecipientState
from meta1.queue.envelope import Outcome
from meta1.queue.ledger import Ledger
from meta1.queue.motion import Motion

NO_RESOLVER: Final = RecipientResult(Outcome.RETRY, 451, "4.3.0", "address resolver not available")
NOT_RESOLVED: Final = RecipientResult(Outcome.RETRY, 451, "4.4.3", "route not found")

ActOn = Callable[[Entry, dict[int, RecipientResult], float], None]


class Resolver(Protocol):
    """Who knows routes and the time."""

    def resolve(
        self, transaction_id: str, forward_path: str, expand: bool,
        callback: Callable[[RouteResolved | None], None],
    ) -> None:  # fmt: skip
        """Ask smar, once for each call; None comes back if it cannot be asked."""

    def now(self) -> float:
        """The time: an answer that comes back later brings none along."""


@dataclass(slots=True)
class Routing:
    """One message whose recipients are being resolved."""

    entry: Entry
    waiting: int
    ready: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    hops: dict[str, NextHop] = field(default_factory=dict)
    results: dict[int, RecipientResult] = field(default_factory=dict)


class Router:
    """Finds the ways."""

    def __init__(
        self, queue: ActiveQueue, ledger: Ledger, motion: Motion, outside: Resolver, act_on: ActOn
    ) -> None:
        """Prepare; `act_on` gets the recipients that have no way, and every message at the end."""
        self._queue = queue
        self._ledger = ledger
        self._motion = motion
        self._outside = outside
        self._act_on = act_on

    def route(self, entry: Entry, numbers: list[int]) -> None:
        """Ask where each of these recipients goes."""
        self._motion.moved(entry, len(numbers))
        routing = Routing(entry, len(numbers))
        for number in numbers:
            state = entry.recipients[number]
            callback = partial(self._routed, routing, number)
            self._outside.resolve(
                entry.transaction_id, state.forward_path, not state.is_expanded, callback
            )

    def _routed(self, routing: Routing, number: int, route: RouteResolved | None) -> None:
        """Note one route; the last one sets the message on its way."""
        routing.waiting -= 1
        entry = routing.entry
        if not entry.recipients[number].is_open:
            self._motion.moved(entry, -1)
        elif route is None:
            routing.results[number] = NO_RESOLVER
        elif route.outcome is not Outcome.DELIVERED or not route.targets:
            reason = RecipientResult(route.outcome, route.code, route.enhanced_code, route.text)
            is_reason = route.outcome is not Outcome.DELIVERED
            routing.results[number] = reason if is_reason else NOT_RESOLVED
        else:
            self._aim(routing, number, route)
        if routing.waiting == 0:
            self._set_off(routing)

    def _aim(self, routing: Routing, number: int, route: RouteResolved) -> None:
        """Note the way of a recipient, or of those that an alias puts in its place."""
        entry, state = routing.entry, routing.entry.recipients[number]
        only = route.targets[0] if len(route.targets) == 1 else None
        numbers = [number]
        if only is None or only.forward_path != state.forward_path or only.reverse_path:
            states = [
                RecipientState(
                    one.forward_path, state.notify,
                    state.original or f"rfc822;{state.forward_path}",
                    one.reverse_path or state.reverse_path, is_expanded=True,
                )
                for one in route.targets
            ]  # fmt: skip
            numbers = self._ledger.expand(entry, number, states)
            self._motion.moved(entry, len(numbers) - 1)
            self._motion.count(entry)
        for which, target in zip(numbers, route.targets, strict=True):
            key = target.next_hop.key
            routing.hops[key] = target.next_hop
            routing.ready.setdefault((key, entry.reverse_path_for(which)), []).append(which)

    def _set_off(self, routing: Routing) -> None:
        """Queue what has a way; act on what has none."""
        entry, most = routing.entry, self._queue.limits.max_recipients
        now = self._outside.now()
        for (key, reverse_path), numbers in routing.ready.items():
            if self._queue.is_dead(key, now):
                routing.results |= dict.fromkeys(numbers, unreachable(key))
                continue
            for start in range(0, len(numbers), most):
                work = Ready(entry, tuple(numbers[start : start + most]), reverse_path)
                self._queue.put(routing.hops[key], work)
        self._act_on(entry, routing.results, now)


def unreachable(key: str) -> RecipientResult:
    """What is said of recipients whose destination did not answer others."""
    return RecipientResult(Outcome.RETRY, 421, "4.4.1", f"{key} does not answer")

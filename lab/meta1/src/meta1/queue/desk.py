"""The desk: takes messages in, has them routed, hands them out, and acts on what came of it.

This is the whole life of a message in qmgr, without I/O and without a clock: the shell calls
the desk with events and the time, the desk calls `Outside` for what must be done.  Each event
ends with the entry either in motion (being routed, ready, being delivered), in DEFEDB, or gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Final, Protocol

from meta1 import maillog
from meta1.messages import (
    Deliver,
    DeliveryReported,
    NextHop,
    RecipientResult,
    Text,
    TransactionCommitted,
    TransactionRefused,
    Transport,
)
from meta1.queue.aq import ActiveQueue, Ready, Started
from meta1.queue.bounce import Reporter
from meta1.queue.entry import Entry, new_entry
from meta1.queue.envelope import Envelope, Outcome
from meta1.queue.ledger import Ledger
from meta1.queue.motion import Motion
from meta1.queue.router import Resolver, Router, unreachable
from meta1.queue.schedule import Limits, longest_wait
from meta1.queue.verdicts import Verdicts

CONTENT_WITHIN: Final = 60.0
"""Content that is not there after this time never got to disk: a crash came before the 250,
so nobody was promised anything, and the client sends the message again."""

Answer = Callable[[TransactionCommitted | TransactionRefused], None]


class Outside(Resolver, Protocol):
    """What the desk needs of the world besides routes."""

    def deliver(self, delivery: Deliver) -> None:
        """Hand a delivery to smtpc."""

    def load(self, transaction_id: str) -> Entry | None:
        """Read a message from DEFEDB."""


class Desk:
    """The queue at work."""

    def __init__(
        self, limits: Limits, reporter: Reporter, double_bounce: str | None,
        ledger: Ledger, outside: Outside, new_id: Callable[[], str],
    ) -> None:  # fmt: skip
        """Begin with what the ledger holds; `start` sets it in motion."""
        self.queue = ActiveQueue(limits)
        self.ledger = ledger
        self.outside = outside
        self.verdicts = Verdicts(limits, reporter, double_bounce, ledger, new_id)
        self.slots = 0
        self.has_room = True
        """False while the disk is nearly full."""
        self.is_ending = False
        """True once nothing more is to be handed out."""
        self._under_way: dict[str, Started] = {}
        self._motion = Motion(ledger, self.queue)
        self._router = Router(self.queue, ledger, self._motion, outside, self._act_on)
        self._unstored: dict[str, Entry] = {}
        self._last_delivery = 0

    # ---- messages come in ------------------------------------------------------------------

    def start(self, entries: Iterable[Entry]) -> None:
        """Go on with the messages that the journal held."""
        self.clock_set_back(self.outside.now())
        for entry in entries:
            self._motion.count(entry)
            self.go_on(entry)

    @property
    def refusal(self) -> str:
        """Why no message is taken now, or empty."""
        if not self.has_room:
            return "not enough space on disk"
        return "" if self.queue.is_accepting else "too many messages in the queue"

    def commit(self, envelope: Envelope, answer: Answer) -> None:
        """Take a message over, or say why not."""
        transaction_id = envelope.transaction_id
        known = transaction_id in self.ledger.entries or transaction_id in self.ledger.deferred
        if known or not envelope.recipients:
            answer(TransactionRefused(transaction_id, 451, "4.3.0", "transaction not valid"))
        elif self.refusal:
            answer(TransactionRefused(transaction_id, 452, "4.3.1", self.refusal))
        else:
            entry = new_entry(envelope, self.outside.now())
            self._motion.count(entry)
            self.ledger.admit(entry, partial(self._admitted, entry, answer))

    def _admitted(self, entry: Entry, answer: Answer, safe: bool) -> None:
        """The envelope is on disk, or there was no room for it."""
        transaction_id = entry.transaction_id
        if not safe:
            self._motion.count(entry)
            answer(TransactionRefused(transaction_id, 452, "4.3.1", "not enough space on disk"))
            return
        answer(TransactionCommitted(transaction_id))
        if transaction_id in self.ledger.entries:
            self.go_on(entry)

    def abort(self, transaction_id: str) -> None:
        """Forget a message whose content was not kept, unless it is on its way already."""
        entry = self.ledger.entries.get(transaction_id)
        if entry is not None and not self._is_out(entry):
            self.discard(entry)

    def discard(self, entry: Entry) -> None:
        """Take a message out of the queue without telling anybody."""
        numbers = self.queue.withdraw(entry)
        self._motion.moved(entry, -len(numbers))
        self._unstored.pop(entry.transaction_id, None)
        self.ledger.remove(entry)
        self._motion.count(entry)

    def go_on(self, entry: Entry) -> None:
        """Have the open recipients of a message routed, unless it is held."""
        numbers = entry.open_recipients()
        if entry.held or not numbers:
            self._rest(entry)
            return
        self._router.route(entry, numbers)

    # ---- deliveries ------------------------------------------------------------------------

    def pump(self, now: float) -> None:
        """Hand out as much as smtpc and the limits allow."""
        most = min(self.slots, self.queue.limits.max_total) - len(self._under_way)
        if self.is_ending:
            return
        for started in self.queue.start(now, most) if most > 0 else ():
            self._last_delivery += 1
            delivery_id = f"C00{self._last_delivery & 0xFFFFFFFF:08X}00000000"
            self._under_way[delivery_id] = started
            self.outside.deliver(_delivery(delivery_id, started.next_hop, started.work))

    def reported(self, report: DeliveryReported) -> None:
        """Act on the results of a delivery; an unknown or odd report is ignored."""
        found = self._under_way.get(report.delivery_id)
        if found is None or len(report.results) != len(found.work.numbers):
            maillog.trouble("odd delivery report", delivery=report.delivery_id)
            return
        del self._under_way[report.delivery_id]
        key, work, now = found.key, found.work, self.outside.now()
        stranded = self.queue.ended(key, report.reached, now)
        results = dict(zip(work.numbers, report.results, strict=True))
        if report.content_lost and now - work.entry.arrived > CONTENT_WITHIN:
            maillog.broken("content lost", work.entry.transaction_id)
            self._motion.moved(work.entry, -len(results))
            self.discard(work.entry)
            return
        is_local = found.next_hop.transport is Transport.LMTP
        self._act_on(work.entry, results, now, report.host, is_local)
        reason = next(iter(report.results), unreachable(key))
        for left in stranded:
            why = reason if reason.outcome is Outcome.RETRY else unreachable(key)
            self._act_on(left.entry, dict.fromkeys(left.numbers, why), now)

    def lost(self, delivery_ids: Iterable[str]) -> None:
        """smtpc went away with these: nobody knows what came of them, so they go out again."""
        for delivery_id in delivery_ids:
            found = self._under_way.pop(delivery_id, None)
            if found is None:
                continue
            work = found.work
            self.queue.cancelled(found.key)
            self._motion.moved(work.entry, -len(work.numbers))
            numbers = [one for one in work.numbers if work.entry.recipients[one].is_open]
            if numbers:
                self._router.route(work.entry, numbers)
            self._rest(work.entry)

    def _act_on(
        self, entry: Entry, results: dict[int, RecipientResult], now: float,
        host: str = "", is_local: bool = False,
    ) -> None:  # fmt: skip
        """Write down what happened, queue the reports that follow, let the rest wait."""
        if results:
            for report in self.verdicts.apply(entry, results, now, host, is_local):
                self._motion.count(report)
                self.go_on(report)
            self._motion.moved(entry, -len(results))
        self._motion.count(entry)
        self._rest(entry)

    # ---- what an operator may do -----------------------------------------------------------

    @property
    def under_way(self) -> int:
        """Count the deliveries that smtpc works on."""
        return len(self._under_way)

    def hold(self, entry: Entry) -> None:
        """Keep a message back; what is being delivered at this moment goes on."""
        entry.held = True
        self._motion.moved(entry, -len(self.queue.withdraw(entry)))
        self.ledger.rewrite(entry)
        self._rest(entry)

    def release(self, entry: Entry) -> None:
        """Let a message go on at once, held or not."""
        was_held, entry.held = entry.held, False
        if self.ledger.entries.get(entry.transaction_id) is not entry:
            self.ledger.remember(entry)
            self._motion.count(entry)
        if was_held:
            self.ledger.rewrite(entry)
        self._unstored.pop(entry.transaction_id, None)
        if not self._motion.is_moving(entry):
            self.go_on(entry)

    # ---- waiting ---------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Bring back what is due, and try again to store what found no room."""
        self.queue.purge(now)
        for transaction_id, entry in list(self._unstored.items()):
            if entry.next_try <= now:
                del self._unstored[transaction_id]
                self.go_on(entry)
        for transaction_id in list(self.ledger.due(now, self.queue.room_for_deferred)):
            self.bring_back(transaction_id)

    def clock_set_back(self, now: float) -> None:
        """Let nothing wait longer than the longest wait, as a clock that was fast has noted it."""
        latest = now + longest_wait(self.queue.limits)
        self.ledger.wait_until_at_most(latest)
        for entry in self._unstored.values():
            for state in entry.recipients:
                state.next_try = min(state.next_try, latest)
        self.queue.revive()

    def bring_back(self, transaction_id: str) -> Entry | None:
        """Read a deferred message and set it in motion."""
        entry = self.outside.load(transaction_id)
        if entry is None:
            maillog.trouble("deferred message cannot be read", transaction=transaction_id)
            return None
        self.ledger.remember(entry)
        self._motion.count(entry)
        self.go_on(entry)
        return entry

    def _rest(self, entry: Entry) -> None:
        """Move a message of which nothing is in motion out of memory."""
        known = self.ledger.entries.get(entry.transaction_id) is entry
        if known and not self._motion.is_moving(entry) and not entry.is_finished:
            self.ledger.defer(entry, partial(self._stored, entry))

    def _stored(self, entry: Entry, safe: bool) -> None:
        """A message is in DEFEDB, or has to wait in memory."""
        if self._motion.is_moving(entry) or entry.is_finished:
            return
        if safe:
            self.ledger.forget(entry)
            self._motion.count(entry)
        else:
            self._unstored[entry.transaction_id] = entry

    def _is_out(self, entry: Entry) -> bool:
        """Tell whether smtpc works on a message."""
        return any(one.work.entry is entry for one in self._under_way.values())


def _delivery(delivery_id: str, next_hop: NextHop, work: Ready) -> Deliver:
    """Write the order for smtpc."""
    entry, envelope = work.entry, work.entry.envelope
    states = [entry.recipients[number] for number in work.numbers]
    has_notify = any(state.notify for state in states)
    has_original = any(state.original for state in states)
    return Deliver(
        delivery_id, envelope.transaction_id, next_hop, work.reverse_path,
        tuple([state.forward_path for state in states]), envelope.content,
        envelope.body, envelope.smtputf8, envelope.envelope_id, envelope.return_part,
        tuple([state.notify for state in states]) if has_notify else (),
        tuple([state.original for state in states]) if has_original else (),
        Text(entry.prologue), Text(entry.epilogue),
    )  # fmt: skip

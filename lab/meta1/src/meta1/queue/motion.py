"""Counts: how many recipients of each message are in motion, and how many are in memory."""

from __future__ import annotations

from meta1.queue.aq import ActiveQueue
from meta1.queue.entry import Entry
from meta1.queue.ledger import Ledger


class Motion:
    """Knows when a message rests, and keeps the size of the active queue right."""

    def __init__(self, ledger: Ledger, queue: ActiveQueue) -> None:
        """Begin with nothing."""
        self._ledger = ledger
        self._queue = queue
        self._moving: dict[str, int] = {}
        self._counted: dict[str, int] = {}

    def moved(self, entry: Entry, change: int) -> None:
        """Count recipients that are being routed, are ready or are being delivered."""
        count = self._moving.get(entry.transaction_id, 0) + change
        if count > 0:
            self._moving[entry.transaction_id] = count
        else:
            self._moving.pop(entry.transaction_id, None)

    def is_moving(self, entry: Entry) -> bool:
        """Tell whether anything is under way for a message."""
        return entry.transaction_id in self._moving

    def count(self, entry: Entry) -> None:
        """Count the open recipients of a message, until it leaves memory."""
        transaction_id = entry.transaction_id
        is_here = transaction_id in self._ledger.entries or transaction_id not in self._counted
        count = len(entry.open_recipients()) if is_here else 0
        before = self._counted.pop(transaction_id, 0)
        if count:
            self._counted[transaction_id] = count
        self._queue.enter(count - before)

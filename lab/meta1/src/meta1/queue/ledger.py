"""What is in the queue and where it lies on disk: the bookkeeping between memory and stores.

The ledger writes every change of an entry into the batch of this turn, knows which journal
segments and which CDB files are still needed, and holds the index of DEFEDB.  It decides
nothing about mail.  qmgr calls `take_batch` at the end of each turn of its loop.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Final

from meta1.queue import records
from meta1.queue.commit import Batch, Committed
from meta1.queue.defedb import Row, row_of
from meta1.queue.entry import Entry, RecipientState

MAX_SEGMENTS: Final = 8
"""With more journal segments than this the oldest one is emptied by writing entries anew."""


class Ledger:
    """All entries in memory, the index of those in DEFEDB, and what they keep on disk."""

    def __init__(self, on_unused: Callable[[str], None]) -> None:
        """Begin empty; `on_unused` hears of sealed CDB files that nobody needs any more."""
        self.entries: dict[str, Entry] = {}
        self.deferred: dict[str, Row] = {}
        self._on_unused = on_unused
        self._due: list[tuple[float, str]] = []
        self._segments: dict[int, dict[str, Entry]] = {}
        self._known: list[int] = []
        self._contents: dict[str, int] = {}
        self._sealed: set[str] = set()
        self._batch = Batch()

    # ---- at the start ----------------------------------------------------------------------

    def recover(
        self, rows: Iterable[Row], entries: Iterable[Entry], segments: Sequence[int]
    ) -> list[Entry]:
        """Take over what the stores held; an entry in DEFEDB counts before one in the journal."""
        self._known = list(segments)
        for row in rows:
            self._index(row)
            self._hold(row.path)
        fresh = [entry for entry in entries if entry.transaction_id not in self.deferred]
        for entry in fresh:
            self.entries[entry.transaction_id] = entry
            self._hold(entry.envelope.content.path)
            self._segments.setdefault(entry.segment, {})[entry.transaction_id] = entry
        self._drop_segments()
        return fresh

    # ---- a message comes, changes and goes -------------------------------------------------

    def admit(self, entry: Entry, done: Callable[[bool], None]) -> None:
        """Write a new message down; `done` hears whether it is safe now."""
        self._enter(entry)
        self._batch.adds.append((records.added(entry), self._when_added(entry, done)))

    def admit_report(self, report: Entry, parent: Entry, numbers: Sequence[int]) -> None:
        """Write a report down together with the end of the recipients it reports on."""
        self._enter(report)
        record = records.reported(report, parent, numbers)
        self._batch.kept.append((record, self._when_added(report, _ignore)))
        parent.close(numbers)
        self._settle(parent)

    def close(self, entry: Entry, numbers: Sequence[int]) -> None:
        """Note that recipients are done with; the last one ends the message."""
        entry.close(numbers)
        if not entry.is_deferred:
            self._batch.notes.append(records.closed(entry, numbers))
        self._settle(entry)

    def expand(self, entry: Entry, number: int, states: Sequence[RecipientState]) -> list[int]:
        """Put others in the place of one recipient; give their numbers."""
        first = len(entry.recipients)
        entry.recipients += states
        entry.close([number])
        if not entry.is_deferred:
            self._batch.notes.append(records.expanded(entry, number, states))
        self._settle(entry)
        return list(range(first, first + len(states)))

    def defer(self, entry: Entry, done: Callable[[bool], None]) -> None:
        """Move a message to DEFEDB, or write it there anew; it may leave memory after that."""
        row = row_of(entry)
        if entry.is_deferred:
            self._batch.puts[row.transaction_id] = row
            self._index(row)
            done(True)
            return

        def moved(value: int) -> None:
            """Forget the copy in the journal once the row is on disk."""
            if value:
                entry.is_deferred = True
                self._leave_segment(entry)
                self._index(row)
            done(bool(value))

        self._batch.moves.append((row, records.moved(entry), moved))

    def forget(self, entry: Entry) -> None:
        """Let a message that lies in DEFEDB leave memory."""
        self.entries.pop(entry.transaction_id, None)

    def remember(self, entry: Entry) -> None:
        """Take a message that was read from DEFEDB into memory."""
        self.entries[entry.transaction_id] = entry

    def rewrite(self, entry: Entry) -> None:
        """Write an entry down as it stands now (it was held or released)."""
        if entry.is_deferred:
            row = row_of(entry)
            self._batch.puts[row.transaction_id] = row
            self._index(row)
        else:
            again = self._when_added(entry, _ignore)
            self._batch.kept.append((records.added(entry), again))

    def remove(self, entry: Entry) -> None:
        """End a message whatever is left of it."""
        entry.close(entry.open_recipients())
        if not entry.is_deferred:
            self._batch.notes.append(records.ended(entry))
        self._settle(entry)

    # ---- DEFEDB ----------------------------------------------------------------------------

    def due(self, now: float, count: int) -> Iterator[str]:
        """Name deferred messages whose time has come, for `count` recipients at most."""
        while self._due and self._due[0][0] <= now and count > 0:
            next_try, transaction_id = heapq.heappop(self._due)
            row = self.deferred.get(transaction_id)
            if row is None or row.next_try != next_try or transaction_id in self.entries:
                continue
            count -= row.recipients
            yield transaction_id

    def next_due(self) -> float | None:
        """The moment when the next deferred message may be tried."""
        while self._due:
            next_try, transaction_id = self._due[0]
            row = self.deferred.get(transaction_id)
            if row is not None and row.next_try == next_try and transaction_id not in self.entries:
                return next_try
            heapq.heappop(self._due)
        return None

    def hasten(self, transaction_id: str, now: float) -> None:
        """Make a deferred message due at once."""
        row = self.deferred[transaction_id]
        self._index(Row(row.transaction_id, now, row.held, row.path, row.recipients))

    def wait_until_at_most(self, latest: float) -> None:
        """Bring forward what would be due later; DEFEDB learns of it with the next attempt."""
        for row in list(self.deferred.values()):
            if row.next_try > latest and not row.held:
                self.hasten(row.transaction_id, latest)

    # ---- CDB files -------------------------------------------------------------------------

    def seal(self, path: str) -> None:
        """Nothing more will be put into this file."""
        self._sealed.add(path)
        self._check_unused(path)

    def unseal_all(self) -> None:
        """Forget what was sealed: smtps is gone and will tell us again."""
        self._sealed.clear()

    # ---- the end of a turn -----------------------------------------------------------------

    def take_batch(self) -> Batch | None:
        """Give what is to be written, if anything."""
        self._compact()
        self._drop_segments()
        if self._batch.is_empty:
            return None
        batch, self._batch = self._batch, Batch()
        return batch

    # ---- inside ----------------------------------------------------------------------------

    def _enter(self, entry: Entry) -> None:
        """Begin to count a message."""
        self.entries[entry.transaction_id] = entry
        self._hold(entry.envelope.content.path)

    def _when_added(self, entry: Entry, done: Callable[[bool], None]) -> Committed:
        """Make the call that notes the segment, or takes a message back that found no room."""

        def added(segment: int) -> None:
            """Note where the record went; a message may be over before we hear of it."""
            if segment:
                if segment not in self._segments and segment not in self._known:
                    self._known.append(segment)
                self._leave_segment(entry)
                if entry.transaction_id in self.entries and not entry.is_deferred:
                    entry.segment = segment
                    self._segments.setdefault(segment, {})[entry.transaction_id] = entry
            else:
                self.entries.pop(entry.transaction_id, None)
                self._release(entry.envelope.content.path)
            done(bool(segment))

        return added

    def _settle(self, entry: Entry) -> None:
        """Forget a message that is finished; write one that lies in DEFEDB."""
        if not entry.is_finished:
            if entry.is_deferred:
                row = row_of(entry)
                self._batch.puts[row.transaction_id] = row
            return
        if self.entries.pop(entry.transaction_id, None) is None and not entry.is_deferred:
            return
        if entry.is_deferred:
            self.deferred.pop(entry.transaction_id, None)
            self._batch.puts.pop(entry.transaction_id, None)
            self._batch.removals.add(entry.transaction_id)
        self._leave_segment(entry)
        self._release(entry.envelope.content.path)

    def _index(self, row: Row) -> None:
        """Remember when a deferred message is due; a held one never is."""
        light = Row(row.transaction_id, row.next_try, row.held, row.path, row.recipients)
        self.deferred[row.transaction_id] = light
        if not row.held:
            heapq.heappush(self._due, (row.next_try, row.transaction_id))

    def _leave_segment(self, entry: Entry) -> None:
        """The journal segment need not be kept for this message any more."""
        held = self._segments.get(entry.segment)
        if held is not None:
            held.pop(entry.transaction_id, None)
        entry.segment = 0

    def _compact(self) -> None:
        """Write the last few messages of the oldest segment anew, so that it can go."""
        if len(self._known) <= MAX_SEGMENTS:
            return
        for entry in list(self._segments.get(self._known[0], {}).values()):
            self._batch.kept.append((records.added(entry), self._when_added(entry, _ignore)))
            self._leave_segment(entry)

    def _drop_segments(self) -> None:
        """Drop segments from the oldest on, never one before an older one is gone.

        A later segment may hold the end of a message that begins in an older one; without it
        the message would come back to life.  The newest is being written and stays.
        """
        while len(self._known) > 1 and not self._segments.get(self._known[0]):
            number = self._known.pop(0)
            self._segments.pop(number, None)
            self._batch.segments.append(number)

    def _hold(self, path: str) -> None:
        """Count a message that needs a CDB file."""
        self._contents[path] = self._contents.get(path, 0) + 1

    def _release(self, path: str) -> None:
        """Count it out again."""
        left = self._contents.get(path, 0) - 1
        if left > 0:
            self._contents[path] = left
            return
        self._contents.pop(path, None)
        self._check_unused(path)

    def _check_unused(self, path: str) -> None:
        """Say that a sealed file is not needed, once."""
        if path in self._sealed and path not in self._contents:
            self._sealed.discard(path)
            self._batch.barriers.append(partial(self._tell_unused, path))

    def _tell_unused(self, path: str, _: int) -> None:
        """The end of the last message in it is on disk: now the file may go."""
        self._on_unused(path)


def _ignore(value: bool) -> None:
    """Do nothing: nobody waits for this record."""

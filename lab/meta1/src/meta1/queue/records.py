"""The records of the journal, and how the queue is rebuilt from them.

    ["A", entry]                        a message was taken (or is written again, as it stands)
    ["A", entry, id, [numbers]]         the same for a report; closes recipients of message id
    ["D", id, [numbers]]                recipients are done with
    ["X", id, number, [recipients]]     an alias: one recipient became others
    ["M", id]                           the message lies in DEFEDB now
    ["E", id]                           the message is at its end

Only "A" is ever waited for.  Losing the others costs a second delivery, never a message.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

from meta1.queue.entry import (
    BadRecord,
    Entry,
    RecipientState,
    as_record,
    from_record,
    recipient_from,
    recipient_record,
)

_encode: Final = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


def pack(value: Any) -> bytes:
    """Write a record."""
    return _encode(value).encode("ascii")


def added(entry: Entry) -> bytes:
    """A message was taken."""
    return pack(["A", as_record(entry)])


def reported(report: Entry, parent: Entry, numbers: Sequence[int]) -> bytes:
    """A report was made, and with that its recipients are done: one record, so both or none."""
    return pack(["A", as_record(report), parent.transaction_id, list(numbers)])


def closed(entry: Entry, numbers: Sequence[int]) -> bytes:
    """Recipients are done with."""
    return pack(["D", entry.transaction_id, list(numbers)])


def expanded(entry: Entry, number: int, states: Sequence[RecipientState]) -> bytes:
    """One recipient became others."""
    recipients = [recipient_record(state) for state in states]
    return pack(["X", entry.transaction_id, number, recipients])


def moved(entry: Entry) -> bytes:
    """The message lies in DEFEDB now."""
    return pack(["M", entry.transaction_id])


def ended(entry: Entry) -> bytes:
    """The message is at its end."""
    return pack(["E", entry.transaction_id])


class Replay:
    """The queue as the records tell it; feed them in order, then read `entries`."""

    def __init__(self) -> None:
        """Begin with an empty queue."""
        self.entries: dict[str, Entry] = {}
        self.unreadable = 0

    def feed(self, segment: int, records: Iterable[bytes]) -> None:
        """Apply the records of one segment; those that say nothing sensible are counted."""
        for data in records:
            try:
                self._apply(segment, json.loads(data))
            except (ValueError, TypeError, IndexError, KeyError, RecursionError):
                self.unreadable += 1

    def _apply(self, segment: int, record: Any) -> None:
        """Apply one record by its letter."""
        kind = record[0]
        if kind == "A":
            self._add(segment, record)
        elif kind == "D":
            self._close(record[1], record[2])
        elif kind == "X":
            self._expand(record[1], record[2], record[3])
        elif kind in ("M", "E"):
            self.entries.pop(record[1], None)
        else:
            raise BadRecord(f"kind {kind!r}")

    def _add(self, segment: int, record: Any) -> None:
        """A message, and perhaps the end of what it reports on."""
        entry = from_record(record[1])
        entry.segment = segment
        self.entries[entry.transaction_id] = entry
        if len(record) > 2:
            self._close(record[2], record[3])

    def _close(self, transaction_id: str, numbers: list[int]) -> None:
        """Close recipients; a message that lies elsewhere by now is none of our business."""
        entry = self.entries.get(transaction_id)
        if entry is None:
            return
        _check_numbers(entry, numbers)
        entry.close(numbers)
        if entry.is_finished:
            del self.entries[transaction_id]

    def _expand(self, transaction_id: str, number: int, recipients: list[Any]) -> None:
        """Replace one recipient by others."""
        entry = self.entries.get(transaction_id)
        if entry is None:
            return
        _check_numbers(entry, [number])
        entry.recipients += [recipient_from(one) for one in recipients]
        self._close(transaction_id, [number])


def _check_numbers(entry: Entry, numbers: Any) -> None:
    """Refuse a record as a whole if it names recipients that are not there."""
    count = len(entry.recipients)
    if type(numbers) is not list or not all(type(n) is int and 0 <= n < count for n in numbers):
        raise BadRecord("numbers of recipients")

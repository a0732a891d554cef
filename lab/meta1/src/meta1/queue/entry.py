"""An entry of the queue: an envelope and how far each of its recipients has come.

Entries are the only mutable thing in the queue; qmgr alone changes them.  `as_record` and
`from_record` are their form on disk, the same in the journal (IBDB) and in DEFEDB.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from meta1.queue.envelope import NULL_PATH, Content, Envelope, Recipient

RECORD_VERSION: Final = 1


class BadRecord(ValueError):
    """A record on disk is whole but does not describe an entry of this version."""


@dataclass(slots=True)
class RecipientState:
    """One recipient, and what the last attempt for it came to."""

    forward_path: str
    notify: str = ""
    original: str = ""
    reverse_path: str = ""
    """Who hears of failures instead of the sender of the message (an `owner-` alias)."""
    is_open: bool = True
    attempts: int = 0
    next_try: float = 0.0
    code: int = 0
    enhanced_code: str = ""
    text: str = ""
    host: str = ""
    warned: bool = False
    """A delay warning has gone out; there is only one."""
    is_expanded: bool = False
    """An alias has put it here: aliases are not looked up again."""

    def wants(self, event: str) -> bool:
        """Tell whether NOTIFY asks for this event (RFC 3461 4.1: the default is failures)."""
        if not self.notify:
            return event in ("FAILURE", "DELAY")
        return event in self.notify.upper().split(",")


@dataclass(slots=True)
class Entry:
    """A message in the queue."""

    envelope: Envelope
    arrived: float
    recipients: list[RecipientState]
    prologue: str = ""
    epilogue: str = ""
    """What goes around the content: only our own reports have these."""
    is_report: bool = False
    is_double_bounce: bool = False
    held: bool = False
    segment: int = field(default=0, compare=False)
    """The journal segment that holds the entry; 0 while it is in none."""
    is_deferred: bool = field(default=False, compare=False)
    """The entry lies in DEFEDB, and the journal knows it no more."""

    @property
    def transaction_id(self) -> str:
        """The name of the message in the logs and stores."""
        return self.envelope.transaction_id

    @property
    def is_finished(self) -> bool:
        """Tell whether nothing is left to do."""
        return not any(recipient.is_open for recipient in self.recipients)

    @property
    def next_try(self) -> float:
        """The moment the first open recipient becomes due."""
        return min((one.next_try for one in self.recipients if one.is_open), default=0.0)

    def open_recipients(self) -> list[int]:
        """The numbers of the recipients that still wait."""
        return [number for number, one in enumerate(self.recipients) if one.is_open]

    def reverse_path_for(self, number: int) -> str:
        """The reverse path to use for a recipient."""
        own = self.recipients[number].reverse_path
        return own if own and not self.envelope.is_bounce else self.envelope.reverse_path

    def close(self, numbers: Iterable[int]) -> None:
        """Nothing more is to be done for these recipients."""
        for number in numbers:
            self.recipients[number].is_open = False


def new_entry(envelope: Envelope, now: float) -> Entry:
    """Begin with a message that has just arrived: every recipient is due at once."""
    states = [
        RecipientState(one.forward_path, one.notify, one.original) for one in envelope.recipients
    ]
    return Entry(envelope, now, states)


# ---- the form on disk ----------------------------------------------------------------------


def as_record(entry: Entry) -> list[Any]:
    """List all that must survive; only what JSON can hold."""
    envelope, content = entry.envelope, entry.envelope.content
    return [
        RECORD_VERSION,
        envelope.transaction_id,
        envelope.reverse_path,
        [content.path, content.offset, content.length, content.header_length],
        [envelope.body, envelope.smtputf8, envelope.envelope_id, envelope.return_part],
        entry.arrived,
        [entry.prologue, entry.epilogue],
        [entry.is_report, entry.is_double_bounce, entry.held],
        [recipient_record(one) for one in entry.recipients],
    ]


def recipient_record(one: RecipientState) -> list[Any]:
    """List the fields of a recipient; a fresh one, the usual case, takes three."""
    is_fresh = one.attempts == 0 and one.is_open and not one.code
    if is_fresh and not one.reverse_path and not one.is_expanded:
        return [one.forward_path, one.notify, one.original]
    head = [one.forward_path, one.notify, one.original, one.reverse_path, one.is_open]
    last = [one.code, one.enhanced_code, one.text, one.host, one.warned, one.is_expanded]
    return [*head, one.attempts, one.next_try, *last]


_RECIPIENT_TYPES: Final[tuple[type | tuple[type, ...], ...]] = (
    str, str, str, str, bool, int, (int, float), int, str, str, str, bool, bool,
)  # fmt: skip


def recipient_from(record: Any) -> RecipientState:
    """Read a recipient back; `BadRecord` if a field is not what it must be."""
    if type(record) is not list or len(record) not in (3, len(_RECIPIENT_TYPES)):
        raise BadRecord("recipient")
    for value, kind in zip(record, _RECIPIENT_TYPES, strict=False):
        if not isinstance(value, kind):
            raise BadRecord("recipient")
    return RecipientState(*record)


def from_record(record: Any) -> Entry:
    """Read an entry back; `BadRecord` if it was written by something else."""
    try:
        version, transaction_id, reverse_path, place, options, arrived, around, marks, states = (
            record
        )
        if version != RECORD_VERSION:
            raise BadRecord(f"version {version!r}")
        recipients = [recipient_from(one) for one in states]
        addresses = tuple(
            Recipient(one.forward_path, one.notify, one.original) for one in recipients
        )
        envelope = Envelope(
            str(transaction_id), str(reverse_path), addresses, _content(place), *options
        )
        return Entry(envelope, float(arrived), recipients, *around, *marks)
    except (TypeError, ValueError) as error:
        raise BadRecord(str(error)) from error


def _content(place: Any) -> Content:
    """Read the place of the content."""
    path, offset, length, header_length = place
    return Content(str(path), int(offset), int(length), int(header_length))


def sender_of(entry: Entry, number: int) -> str | None:
    """Who is told about a recipient's failure; None when nobody may be."""
    path = entry.reverse_path_for(number)
    return None if path in (NULL_PATH, "") else path

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


_NUMBER: Final = frozenset({int, float})
_RECIPIENT_TYPES: Final[tuple[frozenset[type], ...]] = tuple(
    frozenset({kind}) if kind is not float else _NUMBER
    for kind in (str, str, str, str, bool, int, float, int, str, str, str, bool, bool)
)
_NEXT_TRY: Final = 6
_FAR: Final = 1e15
"""No moment is later; it also keeps out what is infinite or no number."""


def recipient_from(record: Any) -> RecipientState:
    """Read a recipient back; `BadRecord` if a field is not what it must be."""
    if type(record) is not list or len(record) not in (3, len(_RECIPIENT_TYPES)):
        raise BadRecord("recipient")
    for value, kind in zip(record, _RECIPIENT_TYPES, strict=False):
        if type(value) not in kind:
            raise BadRecord("recipient")
    if len(record) > _NEXT_TRY:
        _moment(record[_NEXT_TRY])
    return RecipientState(*record)


def from_record(record: Any) -> Entry:
    """Read an entry back; `BadRecord` if it was written by something else."""
    try:
        version, transaction_id, reverse_path, place, options, arrived, around, marks, states = (
            record
        )
        if version != RECORD_VERSION:
            raise BadRecord(f"version {version!r}")
        body, smtputf8, envelope_id, return_part = options
        prologue, epilogue = around
        is_report, is_double_bounce, held = marks
        texts = (transaction_id, reverse_path, body, envelope_id, return_part, prologue, epilogue)
        _all_of(str, *texts)
        _all_of(bool, smtputf8, is_report, is_double_bounce, held)
        if type(states) is not list or not states:
            raise BadRecord("recipients")
        recipients = [recipient_from(one) for one in states]
        addresses = tuple(
            Recipient(one.forward_path, one.notify, one.original) for one in recipients
        )
        envelope = Envelope(
            transaction_id, reverse_path, addresses, _content(place), *options
        )
        return Entry(envelope, _moment(arrived), recipients, *around, *marks)
    except (TypeError, ValueError) as error:
        raise BadRecord(str(error)) from error


def _all_of(kind: type, *values: Any) -> None:
    """Check types exactly: true is no number."""
    if any(type(value) is not kind for value in values):
        raise BadRecord(f"not all of type {kind.__name__}")


def _moment(value: Any) -> float:
    """Read a time of day."""
    if type(value) not in _NUMBER or not 0 <= value < _FAR:
        raise BadRecord("time")
    return float(value)


def _content(place: Any) -> Content:
    """Read the place of the content."""
    path, offset, length, header_length = place
    _all_of(str, path)
    _all_of(int, offset, length, header_length)
    if not all(0 <= value < 1 << 63 for value in (offset, length, header_length)):
        raise BadRecord("place of the content")
    return Content(path, offset, length, header_length)


def sender_of(entry: Entry, number: int) -> str | None:
    """Who is told about a recipient's failure; None when nobody may be."""
    path = entry.reverse_path_for(number)
    return None if path in (NULL_PATH, "") else path

"""The envelope of a message: who sent it, who must get it, where its content lies.

Everything here is plain data that the journal, the scheduler and the messages between
processes share.  It never holds content and never does any I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

NULL_PATH: Final = "<>"
"""The reverse path of a message that must never be answered (RFC 5321 4.5.5).

It is a string of its own that no mailbox can equal, so that "no sender given" (the empty
string) and "the null sender" are never taken for one another.
"""


class Outcome(StrEnum):
    """What an attempt did for one recipient; there are three and no more."""

    DELIVERED = "DELIVERED"
    RETRY = "RETRY"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Content:
    """Where the content of one message lies in the content database (CDB)."""

    path: str
    """Name of the segment file, relative to the queue directory (`cdb/...`)."""
    offset: int
    length: int
    header_length: int = 0
    """Bytes up to and including the empty line after the header; 0 when not known."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """One forward path with the DSN parameters of its RCPT command (RFC 3461)."""

    forward_path: str
    notify: str = ""
    """`NEVER`, or a comma list of `SUCCESS`, `FAILURE`, `DELAY`; empty when not given."""
    original: str = ""
    """The ORCPT parameter, decoded: `rfc822;user@domain`; empty when not given."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """All that was said before DATA, plus where the content went."""

    transaction_id: str
    reverse_path: str
    recipients: tuple[Recipient, ...]
    content: Content
    body: str = ""
    """`8BITMIME`, `7BIT` or empty, as in the BODY parameter of MAIL."""
    smtputf8: bool = False
    envelope_id: str = ""
    """The ENVID parameter, decoded."""
    return_part: str = ""
    """The RET parameter: `FULL`, `HDRS` or empty."""

    @property
    def is_bounce(self) -> bool:
        """Tell whether nobody may be told about failures of this message."""
        return self.reverse_path == NULL_PATH

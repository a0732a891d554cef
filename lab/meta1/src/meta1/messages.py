"""Every message that passes between the five processes, in one place.

    smtps --CommitTransaction--> qmgr        qmgr --ResolveRoute--> smar
    smtps --CheckAccess--------> smar        qmgr --Deliver-------> smtpc
    mailq, qmgrctl --ControlQueue--> qmgr

A request is a verb and a noun, its answer a noun and a verb in the past.  The first message on
each connection, in both directions, is `Hello`.  Strings hold no CR, LF or NUL: the decoder
refuses such a record, so that no peer can smuggle a line into an SMTP dialog or a log.
`Text` fields are the exception (they are whole pieces of a message, with CRLF line ends).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NewType

from meta1.queue.envelope import Content, Envelope, Outcome

PROTOCOL_VERSION: Final = 2
"""Raised with every change of a message; processes of different versions do not talk."""

Text = NewType("Text", str)
"""A string that may hold line ends."""


@dataclass(frozen=True, slots=True)
class Hello:
    """Say who one is; both sides send it first."""

    program: str
    version: int = PROTOCOL_VERSION
    process: int = 0
    """Index of the process among its kind: the last byte of its session ids."""


# ---- smtps and qmgr ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CommitTransaction:
    """Take over a message; smtps may send it while the content is still being synced."""

    envelope: Envelope


@dataclass(frozen=True, slots=True)
class TransactionCommitted:
    """The envelope is on disk: with the content on disk too, 250 may be said."""

    transaction_id: str


@dataclass(frozen=True, slots=True)
class TransactionRefused:
    """The envelope was not kept; the reply to give (452, 451) comes along."""

    transaction_id: str
    code: int
    enhanced_code: str
    text: str


@dataclass(frozen=True, slots=True)
class AbortTransaction:
    """The content could not be kept after all: forget the envelope if still possible."""

    transaction_id: str


@dataclass(frozen=True, slots=True)
class SealSegment:
    """No later CommitTransaction will name this CDB file.

    smtps sends it when it closes a segment and, after each Hello, for every segment file of its
    own that it finds and does not write to: that is how orphans are found after a crash.
    """

    path: str


@dataclass(frozen=True, slots=True)
class RemoveSegment:
    """No envelope needs this sealed CDB file any more: smtps unlinks it."""

    path: str


@dataclass(frozen=True, slots=True)
class QueueStateChanged:
    """Whether qmgr takes messages now; sent after Hello and at each change.

    While `accepting` is false smtps answers MAIL with 452 and does not bother qmgr.
    """

    accepting: bool
    reason: str = ""


# ---- smtps and smar ------------------------------------------------------------------------


class Stage(StrEnum):
    """The point of the SMTP dialog a check belongs to."""

    CONNECT = "CONNECT"
    MAIL = "MAIL"
    RCPT = "RCPT"


class Verdict(StrEnum):
    """What a check came to; all but ACCEPT, RELAY and DISCARD carry a reply."""

    ACCEPT = "ACCEPT"
    RELAY = "RELAY"
    DISCARD = "DISCARD"
    REFUSE = "REFUSE"
    TRY_LATER = "TRY_LATER"


@dataclass(frozen=True, slots=True)
class Client:
    """All that is known about the one who talks to us."""

    address: str
    name: str = ""
    """Verified host name, or empty."""
    resolve: str = ""
    """`OK`, `FAIL`, `TEMP`, `FORGED` (see ClientResolved) or empty when not asked."""
    helo: str = ""
    auth_mechanism: str = ""
    """Set after a successful AUTH."""
    auth_identity: str = ""
    trusted: bool = False
    """The mechanism is one of `trusted_mechanisms`."""
    tls_verify: str = ""
    """`OK` when the client certificate was verified; else `NO`, `NOT`, `FAIL`, `NONE`."""
    cert_issuer: str = ""
    """DN as a key of the access map: `/C=DE/O=Lab+20CA/CN=x`, odd bytes written as +XX."""
    cert_subject: str = ""


@dataclass(frozen=True, slots=True)
class CheckAccess:
    """Ask smar for a decision; with `delayed` the RCPT check includes the earlier stages."""

    request_id: int
    stage: Stage
    client: Client
    reverse_path: str = ""
    forward_path: str = ""
    delayed: bool = False
    use_map: bool = True
    """False without the smtps flag `access`: only the rules built in are applied."""


@dataclass(frozen=True, slots=True)
class AccessChecked:
    """The decision, the reply that goes with it and the rule that made it (for the log)."""

    request_id: int
    verdict: Verdict
    code: int = 250
    enhanced_code: str = "2.0.0"
    text: str = ""
    rule: str = ""
    final: bool = False
    """A `quick:` value: MAIL need not be checked any more.  RCPT always is: nothing but its check
    decides about relaying."""


@dataclass(frozen=True, slots=True)
class ResolveClient:
    """Ask for the name behind a client address (PTR, checked forwards)."""

    request_id: int
    address: str


@dataclass(frozen=True, slots=True)
class ClientResolved:
    """`resolve` is OK, FAIL (no name), TEMP (DNS failed) or FORGED (name points elsewhere)."""

    request_id: int
    resolve: str
    name: str = ""


# ---- qmgr and smar -------------------------------------------------------------------------


class Transport(StrEnum):
    """The two protocols that smtpc speaks."""

    SMTP = "SMTP"
    LMTP = "LMTP"


@dataclass(frozen=True, slots=True)
class Host:
    """One place to try: an IP address and port, or (for LMTP) the path of a socket."""

    name: str
    address: str
    port: int = 25


@dataclass(frozen=True, slots=True)
class NextHop:
    """Where to send; `key` names the destination for limits and connection reuse."""

    transport: Transport
    key: str
    hosts: tuple[Host, ...]


@dataclass(frozen=True, slots=True)
class Target:
    """One address that a recipient became, and the way to it."""

    forward_path: str
    next_hop: NextHop
    reverse_path: str = ""
    """Set when an `owner-` alias takes over the failures of a list."""


@dataclass(frozen=True, slots=True)
class ResolveRoute:
    """Ask where mail for an address goes, aliases expanded unless that has been done."""

    request_id: int
    forward_path: str
    expand: bool = True
    transaction_id: str = ""
    """For the log: the answer does not depend on it."""


@dataclass(frozen=True, slots=True)
class RouteResolved:
    """DELIVERED here means resolved; RETRY and FAILED carry code and text of the reason."""

    request_id: int
    outcome: Outcome
    targets: tuple[Target, ...] = ()
    code: int = 0
    enhanced_code: str = ""
    text: str = ""


# ---- qmgr and smtpc ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Deliver:
    """Attempt one message for some recipients at one destination.

    What goes out is `prologue`, then `content`, then `epilogue`: a DSN is the report in the
    prologue around the header or the whole of the message it reports on.
    """

    delivery_id: str
    transaction_id: str
    next_hop: NextHop
    reverse_path: str
    forward_paths: tuple[str, ...]
    content: Content
    body: str = ""
    smtputf8: bool = False
    envelope_id: str = ""
    return_part: str = ""
    notify: tuple[str, ...] = ()
    """NOTIFY for each recipient, or empty when nobody asked for anything."""
    original: tuple[str, ...] = ()
    """ORCPT for each recipient, likewise."""
    prologue: Text = Text("")
    epilogue: Text = Text("")


@dataclass(frozen=True, slots=True)
class RecipientResult:
    """What happened for one recipient, in the words of the server or our own."""

    outcome: Outcome
    code: int = 0
    enhanced_code: str = ""
    text: str = ""
    relayed: bool = False
    """The server took over the duty to send DSNs (it offers the DSN extension)."""


@dataclass(frozen=True, slots=True)
class DeliveryReported:
    """The results in the order of `forward_paths`."""

    delivery_id: str
    results: tuple[RecipientResult, ...]
    host: str = ""
    """Name of the server that answered; empty when none was reached."""
    reached: bool = True
    """False when no host could be reached at all: the destination is slowed down."""
    content_lost: bool = False
    """The content is not in the CDB (any more): no attempt can ever succeed."""


@dataclass(frozen=True, slots=True)
class CapacityChanged:
    """How many deliveries smtpc will take at a time; sent after Hello and at each change."""

    slots: int


# ---- the tools and qmgr --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ControlQueue:
    """One command of qmgrctl or mailq."""

    request_id: int
    command: str
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class QueueControlled:
    """Lines of an answer; `more` says that others follow."""

    request_id: int
    ok: bool
    lines: tuple[str, ...] = ()
    more: bool = False


Message = (
    Hello
    | CommitTransaction
    | TransactionCommitted
    | TransactionRefused
    | AbortTransaction
    | SealSegment
    | RemoveSegment
    | QueueStateChanged
    | CheckAccess
    | AccessChecked
    | ResolveClient
    | ClientResolved
    | ResolveRoute
    | RouteResolved
    | Deliver
    | DeliveryReported
    | CapacityChanged
    | ControlQueue
    | QueueControlled
)
"""All that may stand in a frame."""

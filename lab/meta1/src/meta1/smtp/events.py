"""What the protocol cores tell their shells.

An event with a `number` waits for a decision: the shell gives it back with `answer(number, reply)`.
Decisions may come in any order; replies leave in the order of the commands.
"""

from dataclasses import dataclass

from meta1.smtp.parameters import MailParameters, RecipientParameters
from meta1.smtp.reply import Reply
from meta1.smtp.syntax import Mailbox, NullPath


@dataclass(frozen=True, slots=True)
class Greeted:
    """The client said EHLO (`extended`) or HELO; it was answered already."""

    name: str
    extended: bool


@dataclass(frozen=True, slots=True)
class MailGiven:
    """MAIL: wants 250 or a refusal."""

    number: int
    reverse_path: Mailbox | NullPath
    parameters: MailParameters


@dataclass(frozen=True, slots=True)
class RecipientGiven:
    """RCPT: wants 250 or a refusal."""

    number: int
    forward_path: Mailbox
    parameters: RecipientParameters


@dataclass(frozen=True, slots=True)
class ContentOffered:
    """DATA with at least one recipient: wants 354 or a refusal."""

    number: int


@dataclass(frozen=True, slots=True)
class ContentArrived:
    """A piece of content, dots taken off and checked."""

    chunk: bytes


@dataclass(frozen=True, slots=True)
class ContentRefused:
    """The content broke a rule: forget what came; the core gives `reply` at the end by itself."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class ContentComplete:
    """The end of the content: wants 250 (kept, on disk) or a refusal."""

    number: int
    size: int
    hops: int


@dataclass(frozen=True, slots=True)
class TransactionAborted:
    """RSET, EHLO or QUIT ended an open transaction."""


@dataclass(frozen=True, slots=True)
class TlsWanted:
    """STARTTLS was answered with 220: flush, shake hands, then `tls_started` or close."""


@dataclass(frozen=True, slots=True)
class AuthStarted:
    """AUTH: wants `challenge(number, data)`, or 235 or a refusal; `initial` None if not given."""

    number: int
    mechanism: str
    initial: bytes | None


@dataclass(frozen=True, slots=True)
class AuthContinued:
    """The client's answer to a challenge."""

    number: int
    response: bytes


@dataclass(frozen=True, slots=True)
class AuthCancelled:
    """The client gave up (or sent no base64); it was answered already."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A command was refused: for the log; only MAIL and RCPT tell their argument.

    What stands behind another word may be a password typed at the wrong place.
    """

    reply: Reply
    verb: str
    argument: str = ""


@dataclass(frozen=True, slots=True)
class Closing:
    """The session is over: flush, then close."""

    reason: str


ServerEvent = (
    Greeted
    | MailGiven
    | RecipientGiven
    | ContentOffered
    | ContentArrived
    | ContentRefused
    | ContentComplete
    | TransactionAborted
    | TlsWanted
    | AuthStarted
    | AuthContinued
    | AuthCancelled
    | Rejected
    | Closing
)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the server said to EHLO or LHLO: keyword in upper case -> its parameter."""

    name: str
    keywords: dict[str, str]

    def __contains__(self, keyword: str) -> bool:
        """Say whether the extension is offered."""
        return keyword in self.keywords


@dataclass(frozen=True, slots=True)
class ServerReady:
    """The greeting and EHLO are over: `start_tls`, `deliver` or `quit` may follow."""

    capabilities: Capabilities


@dataclass(frozen=True, slots=True)
class TlsReady:
    """The server said 220 to STARTTLS: shake hands now, then `tls_started`."""


@dataclass(frozen=True, slots=True)
class TlsRefused:
    """The server offers STARTTLS but refused it; the session may go on in clear text."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class ContentWanted:
    """The server said 354: `send_content` until `end_content`."""

    number: int


@dataclass(frozen=True, slots=True)
class Delivered:
    """A transaction is over: the last word for each recipient, in the order given.

    `stage` is the command that decided it; `during` lists one such word for each recipient.
    """

    number: int
    results: tuple[Reply, ...]
    stages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """The connection is of no more use: close it.

    `reply` is what the server said (421, a refused greeting); `error` says what broke.
    """

    reply: Reply | None
    error: str


ClientEvent = ServerReady | TlsReady | TlsRefused | ContentWanted | Delivered | SessionEnded

"""The SMTP server core: what it takes and says, however the bytes are cut."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass, field
from typing import Any

from fuzz.smtp_input import session
from fuzz.source import Source
from fuzz.target import must
from meta1.smtp import events as ev
from meta1.smtp import reply as replies
from meta1.smtp.reply import Reply
from meta1.smtp.server import ServerConnection
from meta1.smtp.settings import ServerSettings
from meta1.smtp.state import State
from meta1.smtp.syntax import NullPath, parse_path

BASE: dict[str, Any] = {
    "host_name": "mail.lab.example", "offers_tls": True, "mechanisms": ("CRAM-MD5",),
    "mechanisms_in_tls": ("CRAM-MD5", "PLAIN"),
}  # fmt: skip
SETTINGS = (
    ServerSettings(**BASE),
    ServerSettings(host_name="mail.lab.example", eight_bit_mime=False),
    ServerSettings(
        **BASE, max_command_line=512, max_content_line=1000, max_message_size=3000,
        max_recipients=100,
        max_errors=8, max_junk_commands=10, max_hops=5,
    ),
)  # fmt: skip
_LINE = re.compile(rb"([2-5][0-5][0-9])([ -])([\t -~]*)\r\n")
_TEXT = re.compile(rb"[ -~]*")
# Byte by byte, but for what only makes a line long.
_BYTES = re.compile(rb"([^\r\n.])\1{15}|.", re.DOTALL)
_ENHANCED = re.compile(rb"([245])\.\d{1,3}\.\d{1,3}(?: |$)")
_FAULTS = re.compile(
    rb"55[0-4] 5\.(?:6\.0 Mail holds|3\.4 Message is|4\.6 Too many Rec)[^\r]*\r\n(?!.*354)"
)
UNWANTED = replies.reply(554, "5.7.1", "Access denied")
EAGER = ("content before 354", "bytes behind STARTTLS")
GIVEN_UP = ("too many errors",)


def reply_lines(data: bytes) -> list[tuple[int, bool]]:
    """Read replies by RFC 5321 4.2: code and whether it is the last line of its reply."""
    position, found = 0, []
    while position < len(data):
        line = _LINE.match(data, position)
        must(line, "no reply line of RFC 5321:", data[position : position + 200])
        assert line is not None
        must(len(line[0]) <= 512, "a reply line over 512 octets", line[0])
        status = _ENHANCED.match(line[3])
        must(
            status is None or status[1] == line[1][:1], "classes of code and status differ", line[0]
        )
        if found and not found[-1][1]:
            must(found[-1][0] == int(line[1]), "codes of one reply differ", data)
        found.append((int(line[1]), line[2] == b" "))
        position = line.end()
    must(not found or found[-1][1], "a reply without its last line", data[-200:])
    return found


def codes(data: bytes) -> list[int]:
    """The codes of whole replies."""
    return [code for code, is_last in reply_lines(data) if is_last]


@dataclass
class Mail:
    """A mail as the shell knows it."""

    reverse_path: str
    recipients: list[str] = field(default_factory=list)
    content: bytes = b""


@dataclass
class Shell:
    """Around the core: decides by the text of what is asked, so that each run decides alike."""

    settings: ServerSettings
    source: Source | None = None
    """Decides late and in any order if there is one."""
    greeting: Reply | None = None
    """What the client is told instead of the banner."""
    out: bytes = b""
    mails: list[Mail] = field(default_factory=list)
    reason: str = ""
    open: Mail | None = None
    accepted: int = 0
    data_given: int = 0
    exchanges: int = 0
    waiting: list[tuple[int, Reply | bytes, ev.ServerEvent]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Greet."""
        self.core = ServerConnection(self.settings)
        self.handle(self.core.greet(self.greeting))

    def feed(self, data: bytes) -> bytes:
        """Give bytes, decide what is to be decided now; the bytes the core says."""
        self.handle(self.core.receive_data(data))
        while self.waiting and (self.source is None or self.source.chance(2)):
            self.decide_one()
        return self.take()

    def settle(self) -> None:
        """The client waits: decide all, and shake hands if that was wanted."""
        while self.waiting:
            self.decide_one()
        self.take()
        if self.core.state is State.HANDSHAKE:
            self.handle(self.core.receive_data(b"MAIL FROM:<smuggled@x.example>\r\n"))
            must(not self.core.bytes_to_send(), "clear text was answered in the handshake")
            self.core.tls_started()
            must(
                self.core.state is State.START and not self.core.backlog,
                "TLS keeps what was said before",
            )
            self.open = None
        self.take()

    def take(self) -> bytes:
        """Collect what the core says."""
        data = self.core.bytes_to_send()
        self.out += data
        return data

    def decide_one(self) -> None:
        """Give one decision."""
        which = self.source.below(len(self.waiting)) if self.source is not None else 0
        number, decision, event = self.waiting.pop(which)
        is_good = isinstance(decision, Reply) and decision.is_success
        if isinstance(event, ev.RecipientGiven) and is_good and self.open is not None:
            self.open.recipients.append(str(event.forward_path))
        if isinstance(decision, Reply):
            self.handle(self.core.answer(number, decision))
        else:
            self.handle(self.core.challenge(number, decision))

    def handle(self, events: list[ev.ServerEvent]) -> None:
        """Note what the core tells, and what it asks."""
        for event in events:
            must(not self.reason, "an event after the end:", event)
            must(
                self.greeting is None or isinstance(event, (ev.Rejected, ev.Closing)),
                "a refused client is served:",
                event,
            )
            match event:
                case ev.MailGiven(number, path):
                    self._check_path(path)
                    self.open = Mail(str(path))
                    self._later(number, _by(str(path), replies.SENDER_OK), event)
                case ev.RecipientGiven(number, path):
                    self._check_path(path)
                    must(self.open is not None, "RCPT without MAIL")
                    self._later(number, _by(str(path), replies.RECIPIENT_OK), event)
                case ev.ContentOffered(number):
                    must(self.open is not None and self.open.recipients, "DATA without a recipient")
                    self.data_given += 1
                    late = self.data_given % 7 == 6
                    self._later(number, replies.TRY_LATER if late else replies.START_CONTENT, event)
                case ev.ContentArrived(chunk):
                    must(self.open is not None, "content of no mail")
                    assert self.open is not None
                    self.open.content += chunk
                case ev.ContentRefused():
                    self.open = None
                case ev.ContentComplete(number, size):
                    mail, self.open = self.open, None
                    must(mail is not None and len(mail.content) == size, "wrong size", size)
                    assert mail is not None
                    mail.recipients.sort()
                    self.mails.append(mail)
                    self._later(number, _by(repr(mail.content), replies.OK), event)
                case ev.TransactionAborted():
                    self.open = None
                case ev.AuthStarted(number) | ev.AuthContinued(number):
                    must(not self.core.is_authenticated, "AUTH twice")
                    self.exchanges += 1
                    choices = (b"<1@x>", replies.AUTH_OK, replies.AUTH_REFUSED, b"<2@x>")
                    self._later(number, choices[self.exchanges % 4], event)
                case ev.Closing(reason):
                    self.reason = reason
                    self.waiting.clear()

    def _later(self, number: int, decision: Reply | bytes, event: ev.ServerEvent) -> None:
        self.waiting.append((number, decision, event))
        if self.source is None:
            self.decide_one()

    def _check_path(self, path: Any) -> None:
        text = str(path)
        must(text.isascii() and (text.isprintable()), "an address with odd bytes", text)
        must(
            isinstance(path, NullPath) or parse_path(f"<{text}>") == path,
            "an address not read back",
            text,
        )


def _by(text: str, good: Reply) -> Reply:
    """Decide by the text alone."""
    match zlib.crc32(text.encode()) % 16:
        case 0:
            return replies.TRY_LATER
        case 1:
            return replies.RELAYING_DENIED
    return good


def expected_content(raw: bytes, settings: ServerSettings) -> bytes | None:
    """What the content is by RFC 5321 4.5.2, None if forbidden; shares no code with the core."""
    lines = raw.split(b"\r\n")
    lines = [line[1:] if line[:1] == b"." else line for line in lines]
    plain = b"\r\n".join(lines)
    header = (b"\r\n" + plain).split(b"\r\n\r\n")[0] + b"\r\n"
    is_forbidden = (
        any(mark in b"".join(lines) for mark in (b"\r", b"\n", b"\0"))
        or any(len(line) + 1 > settings.max_content_line for line in lines)
        or 0 < settings.max_message_size < len(plain)
        or header.lower().count(b"\r\nreceived:") > settings.max_hops
    )
    return None if is_forbidden else plain


class Stepwise:
    """Feeds a session line by line and checks each reply by rules of its own."""

    def __init__(self, shell: Shell) -> None:
        """Begin."""
        self.shell = shell
        self.raw = b""
        self.partial = b""

    def send(self, group: bytes) -> None:
        """Feed a group; the client waits behind each line of a command."""
        for piece in re.findall(rb"[^\n]*\n|[^\n]+", group):
            core = self.shell.core
            if core.is_closed or core.state is State.HANDSHAKE:
                must(not self.shell.feed(piece), "an answer after the end")
            elif core.state is State.CONTENT:
                self._content(piece)
            else:
                self._command(piece)
        self.shell.settle()

    def _command(self, piece: bytes) -> None:
        shell = self.shell
        exchange = shell.core.state is State.EXCHANGE
        before = len(shell.mails), shell.open
        self.partial += piece
        line, said = self.partial, codes(shell.feed(piece))
        if not piece.endswith(b"\n"):
            must(not said, "an answer to half a line", line)
            must(shell.core.backlog <= 12290, "too much kept of a line", shell.core.backlog)
            return
        self.partial = b""
        must(said, "no answer to a line", line)
        extra = said[1:]
        must(
            not extra or (extra == [421] and shell.core.is_closed),
            "more than one answer",
            line,
            said,
        )
        is_right = line.endswith(b"\r\n") and not set(line[:-2]) & set(b"\r\n")
        is_text = is_right and _TEXT.fullmatch(line[:-2]) is not None
        is_long = len(line) > shell.settings.max_command_line and line[:5].upper() != b"AUTH "
        if not exchange and (not is_text or is_long):
            must(
                said[0] == 500 and shell.open is before[1],
                "a line that is none did something",
                line,
                said,
            )
        if said[0] == 354:
            must(line.split()[0].upper() == b"DATA", "354 to another command", line)
            self.raw = b""

    def _content(self, piece: bytes) -> None:
        shell, kept = self.shell, len(self.shell.mails)
        self.raw += piece
        said = codes(shell.feed(piece))
        raw = b"\r\n" + self.raw
        end = raw.find(b"\r\n.\r\n")
        if end < 0:
            must(not said and len(shell.mails) == kept, "content ended early", self.raw[-40:], said)
            return
        must(len(said) == 1 or said[1:] == [421], "content wants one answer", said)
        wanted = expected_content(raw[2 : end + 2], shell.settings)
        if wanted is None:
            must(
                said[0] >= 500 and len(shell.mails) == kept,
                "forbidden content was taken",
                self.raw,
                said,
            )
        else:
            must(
                len(shell.mails) == kept + 1,
                "content was refused against the rules",
                self.raw[:200],
                said,
            )
            must(
                shell.mails[-1].content == wanted,
                "content changed",
                self.raw,
                shell.mails[-1].content,
            )


def canonical(out: bytes) -> bytes:
    """Which of two faults is named depends on the cutting; that it is refused does not."""
    return _FAULTS.sub(b"550 refused\r\n", out)


def agree(one: Shell, two: Shell) -> None:
    """Two ways to feed the same bytes come to the same."""
    a, b = canonical(one.out), canonical(two.out)
    if one.reason in (*EAGER, *GIVEN_UP) or two.reason in (*EAGER, *GIVEN_UP):
        # Who spoke too early depends on when bytes arrive; what was said before does not.
        shared = min(len(a.rstrip().rpartition(b"\r\n")[0]), len(b.rstrip().rpartition(b"\r\n")[0]))
        must(a[:shared] == b[:shared], "replies depend on the cutting", a, b)
        return
    must(a == b, "replies depend on the cutting", a, b)
    must(one.mails == two.mails, "mails depend on the cutting", one.mails, two.mails)
    must(one.reason == two.reason, "the end depends on the cutting", one.reason, two.reason)


def run(source: Source) -> None:
    """One session, fed in two or three ways."""
    settings = SETTINGS[source.choose((0, 1, 2, 2))]
    groups = session(source)
    greeting = UNWANTED if source.chance(50) else None
    steps = Stepwise(Shell(settings, greeting=greeting))
    reply_lines(steps.shell.take())
    for group in groups:
        steps.send(group)
    cut = Shell(settings, source, greeting=greeting)
    cut.take()
    for group in groups:
        for piece in source.cut(group):
            cut.feed(piece)
        cut.settle()
    agree(steps.shell, cut)
    if source.chance(40):
        single = Shell(settings, greeting=greeting)
        single.take()
        for group in groups:
            for piece in _BYTES.finditer(group):
                single.feed(piece[0])
            single.settle()
        agree(steps.shell, single)

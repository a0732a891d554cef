"""The SMTP and LMTP client core against servers that answer anything."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from fuzz.smtp_input import NASTY, SAFE_PIECES
from fuzz.source import Source
from fuzz.target import must
from meta1.smtp import events as ev
from meta1.smtp.client import ClientConnection
from meta1.smtp.outgoing import DsnRequest, Outgoing
from meta1.smtp.reply_reader import MAX_LINE
from meta1.smtp.syntax import NULL_PATH, Mailbox

CODES = (
    200,
    220,
    221,
    235,
    250,
    251,
    252,
    299,
    334,
    354,
    399,
    421,
    450,
    451,
    452,
    499,
    500,
    550,
    552,
    554,
    599,
)
RIGHT = {
    "greeting": 220, "EHLO": 250, "LHLO": 250, "HELO": 250, "STARTTLS": 220, "MAIL": 250,
    "RCPT": 250,
    "DATA": 354, "content": 250, "RSET": 250, "QUIT": 221,
}  # fmt: skip
KEYWORDS = (
    "PIPELINING", "PIPELINING", "PIPELINING", "SIZE 1000", "SIZE", "SIZE x", "SIZE " + "9" * 300,
    "8BITMIME", "DSN",
    "STARTTLS", "ENHANCEDSTATUSCODES", "AUTH PLAIN", "CHUNKING", "x y z", "", " ", "=",
    "pipelining", "SIZE 5",
)  # fmt: skip
LINES = (
    b"\r\n", b"\n", b"250\r\n", b"250-\r\n", b"250 " + b"x" * 5000 + b"\r\n", b"250-x\r\n" * 130,
    b"25\r\n", b"250x\r\n",
    b"250\x00\r\n", b"999 x\r\n", b"000 x\r\n", b"250 2.1.5\r\n", b"250 5.1.1 x\r\n",
    b"250 2.1.5x\r\n", b"\x80\xff\r\n",
    b"250-2.0.0 a\r\n250-2.0.0\r\n250 2.0.0 b\r\n", b"250-a\r\n550 b\r\n", b"421 4.3.2 x\r\n",
    b"HTTP/1.1 200 OK\r\n",
    b"250 a\rb\r\n", b"250\t\r\n", b"250 \xc3\xa9\r\n", b"*" * 5000, b"2 5 0\r\n", b"\r",
    b"250-a\n250 b\n",
    b"250-2.1.50 x\r\n250 2.1.5 y\r\n",
)  # fmt: skip
PEOPLE = tuple(
    Mailbox(name, domain)
    for name in ("a", "b", "c d", 'q"\\', "x" * 64, "ee", "f.g")
    for domain in ("lab.example", "[127.0.0.1]")
)
DSNS = (DsnRequest(), DsnRequest(), DsnRequest("NEVER"), DsnRequest("DELAY", "rfc822;a b+=c@d"))
_DONE = re.compile(rb"(?:^|(?<=\n))2\d\d(?!-)")
_NEVER = re.compile(rb"(?:^|(?<=\n))5\d\d(?!-)")
_COMMAND = re.compile(rb"(?:(?:EHLO|LHLO|HELO|MAIL|RCPT) [ -~]+|DATA|RSET|QUIT|STARTTLS|\.)\r\n")


@dataclass(slots=True)
class Plan:
    """What the caller of the core wants."""

    lmtp: bool
    use_tls: bool
    outgoing: list[Outgoing]
    contents: list[bytes]


def plan(source: Source) -> Plan:
    """Make one."""
    mails = []
    for _ in range(1 + source.below(3)):
        people = [(source.choose(PEOPLE), source.choose(DSNS)) for _ in range(1 + source.below(4))]
        sender = NULL_PATH if source.chance(4) else source.choose(PEOPLE)
        size = source.choose((0, 10, 900, 2000))
        mails.append(
            Outgoing(sender, tuple(people), size, source.choose(("", "8BITMIME")), "id+=", "FULL")
        )
    texts = [text(source) for _ in mails]
    return Plan(source.chance(2), source.chance(2), mails, texts)


def text(source: Source) -> bytes:
    """Content in any state: the client core has to make mail data of it."""
    pieces = SAFE_PIECES if source.chance(2) else (*SAFE_PIECES, *NASTY)
    return b"".join([source.choose(pieces) for _ in range(source.below(10))])


def mail_data(content: bytes) -> bytes:
    """RFC 5321 4.5.2, written a second time: CRLF everywhere, dots doubled, then the end."""
    lines = re.split(rb"\r\n|\r|\n", content)
    if lines[-1] == b"":
        lines.pop()
    return b"".join(b"." * line.startswith(b".") + line + b"\r\n" for line in lines) + b".\r\n"


def answer(source: Source, phase: str) -> bytes:
    """What a server says in a phase: right, wrong, or no reply at all."""
    code = RIGHT.get(phase, 250) if not source.chance(6) else source.choose(CODES)
    if phase in ("EHLO", "LHLO") and code == 250:
        lines = ["mx.example", *[source.choose(KEYWORDS) for _ in range(source.below(6))]]
    else:
        lines = [source.choose((f"{code // 100}.1.5 fine", "ok", "", "5.0.0 x"))] * source.choose(
            (1, 1, 1, 2)
        )
    said = b"".join(b"%d-%s\r\n" % (code, line.encode()) for line in lines[:-1])
    said += b"%d %s\r\n" % (code, lines[-1].encode())
    match source.below(24):
        case 0:
            return source.damaged(said, NASTY)
        case 1:
            return source.choose(LINES)
        case 2:
            return said + source.choose(LINES)
        case 3:
            return said + said
        case 4:
            return said.replace(b"\r\n", b"\n")
        case _:
            return said


@dataclass
class Talk:
    """A client core, what it was given and what it told."""

    plan: Plan
    numbers: dict[int, int] = field(default_factory=dict)
    delivered: dict[int, ev.Delivered] = field(default_factory=dict)
    ended: ev.SessionEnded | None = None
    commands: bytes = b""
    done: int = 0
    never: int = 0

    def __post_init__(self) -> None:
        """Connect."""
        self.client = ClientConnection("c.example", lmtp=self.plan.lmtp)
        self.contents = list(self.plan.contents)

    def feed(self, pieces: list[bytes]) -> None:
        """Give the client what the server says."""
        if any(one.verb in ("DATA", "content") for one in self.client._waiting):
            self.done += len(_DONE.findall(b"".join(pieces)))
        self.never += len(_NEVER.findall(b"".join(pieces)))
        for piece in pieces:
            self.handle(self.client.receive_data(piece))
            must(self.client._reader.pending <= MAX_LINE + len(piece), "too much kept of a line")
        self.take()

    def handle(self, events: list[ev.ClientEvent]) -> None:
        """Do what the shell would do."""
        for event in events:
            must(self.ended is None, "an event after the end", event)
            match event:
                case ev.ServerReady() if self.client.is_over:
                    pass  # the server has ended the session in the same breath
                case ev.ServerReady(offered):
                    if self.plan.use_tls and "STARTTLS" in offered and not self.client.is_tls:
                        self.client.start_tls()
                    else:
                        self.deliver()
                case ev.TlsReady():
                    self.take()
                    must(
                        not self.client.receive_data(b"250 injected\r\n"),
                        "clear text in the handshake",
                    )
                    self.client.tls_started()
                case ev.TlsRefused():
                    if not self.client.is_over:
                        self.deliver()
                case ev.ContentWanted():
                    self.content()
                case ev.Delivered():
                    self.note(event)
                case ev.SessionEnded():
                    self.ended = event

    def deliver(self) -> None:
        """Queue all mails at once, so that they are pipelined where that is allowed."""
        for index, outgoing in enumerate(self.plan.outgoing):
            self.numbers[self.client.deliver(outgoing)] = index
        self.client.quit()
        self.handle(self.client.take_events())

    def content(self) -> None:
        """Send content, and look at how it leaves."""
        self.take()
        content = self.contents.pop(0)
        half = len(content) // 2
        self.client.send_content(content[:half])
        self.client.send_content(content[half:])
        self.client.end_content()
        out, wanted = self.client.bytes_to_send(), mail_data(content)
        if self.client.is_over:
            must(not out, "content after the end", out)
            return
        must(out.startswith(wanted), "mail data is not what RFC 5321 wants", out, wanted)
        self.check_commands(out[len(wanted) :])

    def take(self) -> None:
        """Look at the commands that leave."""
        self.check_commands(self.client.bytes_to_send())

    def check_commands(self, out: bytes) -> None:
        """Only whole commands of printable text."""
        self.commands += out
        position = 0
        while position < len(out):
            found = _COMMAND.match(out, position)
            must(found, "no command of RFC 5321", out[position:])
            assert found is not None
            position = found.end()

    def note(self, event: ev.Delivered) -> None:
        """Check a verdict."""
        must(event.number not in self.delivered, "two verdicts for one mail", event)
        self.delivered[event.number] = event
        for one in event.results:
            must(one.is_success or one.code >= 400, "a verdict that is none", one)
            must(all(line.isascii() and line.isprintable() for line in one.lines), "odd bytes", one)
        good = [sum(one.is_success for one in each.results) for each in self.delivered.values()]
        claimed = sum(good) if self.plan.lmtp else sum(map(bool, good))
        must(claimed <= self.done, "success that no server has said", event, self.done)
        if any(one.code >= 500 and "larger" not in one.text for one in event.results):
            must(self.never, "permanent failure that no server has said", event)

    def finish(self) -> None:
        """The connection ends; nothing may be left without a verdict."""
        self.handle(self.client.connection_lost())
        self.handle(self.client.take_events())
        must(self.ended is not None, "no end")
        must(self.delivered.keys() == self.numbers.keys(), "a mail without a verdict", self.numbers)
        for number, event in self.delivered.items():
            wanted = len(self.plan.outgoing[self.numbers[number]].recipients)
            must(len(event.results) == len(event.stages) == wanted, "not a word for each", event)
        must(
            not self.client.receive_data(b"250 x\r\n") and not self.client.bytes_to_send(),
            "alive after its end",
        )


def run(source: Source) -> None:
    """One server, heard in large pieces, then byte by byte."""
    wanted = plan(source)
    talk, said = Talk(wanted), []
    for _ in range(60):
        if talk.client.is_over or not talk.client.phase:
            break
        said.append(answer(source, talk.client.phase))
        talk.feed([said[-1]])
    talk.finish()
    again = Talk(wanted)
    for one in said:
        again.feed([one[place : place + 1] for place in range(len(one))])
    again.finish()
    if _was_broken(talk) or _was_broken(again):
        # What lies behind a good reply ends the session before the client can go on.
        a, b = talk.commands, again.commands
        must(a.startswith(b) or b.startswith(a), "commands depend on the cutting", a, b)
        return
    must(
        talk.commands == again.commands,
        "commands depend on the cutting",
        talk.commands,
        again.commands,
    )
    must(
        talk.delivered == again.delivered,
        "verdicts depend on the cutting",
        talk.delivered,
        again.delivered,
    )


def _was_broken(talk: Talk) -> bool:
    """Tell whether the server has broken the protocol, or has had enough."""
    ended = talk.ended
    assert ended is not None
    is_said = ended.reply is not None and ended.reply.code == 421
    return is_said or ended.error not in ("", "connection lost")

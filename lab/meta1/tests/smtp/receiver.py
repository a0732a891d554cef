"""A shell for the server core without sockets: a small policy, and the mails it took."""

import fnmatch
from dataclasses import dataclass, field
from pathlib import Path

from meta1.smtp import events as ev
from meta1.smtp import reply as replies
from meta1.smtp.server import ServerConnection
from meta1.smtp.settings import ServerSettings

DIALOGS = Path(__file__).parents[2] / "dialogs"
SETTINGS = ServerSettings(
    host_name="mail.lab.example",
    product="MeTA1.0.0.0.0",
    offers_tls=True,
    mechanisms=("CRAM-MD5",),
    mechanisms_in_tls=("CRAM-MD5", "PLAIN"),
)


@dataclass
class Receiver:
    """Answers each event at once: mail for lab.example is taken, nothing else."""

    settings: ServerSettings = SETTINGS
    mails: list[bytes] = field(default_factory=list)
    seen: list[ev.ServerEvent] = field(default_factory=list)
    closed: bool = False
    content: bytes = b""

    def __post_init__(self) -> None:
        """Greet as a real shell would."""
        self.core = ServerConnection(self.settings)
        self.run(self.core.greet())

    def feed(self, data: bytes) -> bytes:
        """Give bytes to the core, decide all, return the reply bytes."""
        self.run(self.core.receive_data(data))
        return self.core.bytes_to_send()

    def talk(self, *lines: str) -> list[str]:
        """Send lines one by one; give all reply lines since the last call."""
        out = self.core.bytes_to_send()
        for line in lines:
            out += self.feed(line.encode() + b"\r\n")
        return out.decode().splitlines()

    def run(self, events: list[ev.ServerEvent]) -> None:
        """Decide each event in turn; decisions give further events."""
        waiting = list(events)
        while waiting:
            event = waiting.pop(0)
            self.seen.append(event)
            waiting.extend(self.decide(event))

    def decide(self, event: ev.ServerEvent) -> list[ev.ServerEvent]:
        """Answer one event."""
        core = self.core
        match event:
            case ev.MailGiven(number):
                return core.answer(number, replies.SENDER_OK)
            case ev.RecipientGiven(number, path):
                local = path.domain.lower() in ("lab.example", "")
                answer = replies.RECIPIENT_OK if local else replies.RELAYING_DENIED
                return core.answer(number, answer)
            case ev.ContentOffered(number):
                self.content = b""
                return core.answer(number, replies.START_CONTENT)
            case ev.ContentArrived(chunk):
                self.content += chunk
            case ev.ContentComplete(number):
                self.mails.append(self.content)
                return core.answer(number, replies.OK)
            case ev.AuthStarted(number, _, None):
                return core.challenge(number, b"<challenge>")
            case ev.AuthStarted(number, _, data) | ev.AuthContinued(number, data):
                good = data == b"secret"
                return core.answer(number, replies.AUTH_OK if good else replies.AUTH_REFUSED)
            case ev.Closing():
                self.closed = True
        return []


def steps_of(path: Path) -> list[tuple[str, str]]:
    """Read a dialog: (C, line), (R, raw line) and (S, pattern)."""
    lines = [line for line in path.read_text().splitlines() if line and line[0] != "#"]
    return [(line[0], line[2:].removeprefix(" ")) for line in lines]


def bytes_of(kind: str, text: str) -> bytes:
    """Turn a client's step into the bytes it sends."""
    if kind == "R":
        return text.encode().decode("unicode_escape").encode("latin-1")
    return text.encode() + b"\r\n"


def fits(pattern: str, line: str) -> bool:
    """Say whether a server's line is as the dialog wants it."""
    return fnmatch.fnmatchcase(line, pattern.replace("[", "[[]"))

"""A small strict server that speaks SMTP or LMTP, and can misbehave in chosen ways."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

_PATH = re.compile(r"<([^<>]*)>")


@dataclass
class Manners:
    """How the server behaves: what it offers, says, and when it hangs up."""

    lmtp: bool = False
    keywords: list[str] = field(default_factory=lambda: ["PIPELINING", "SIZE 10000000", "8BITMIME"])
    greeting: str = "220 test.server"
    replies: dict[str, str] = field(default_factory=dict)
    """Reply to a verb, or to a recipient, instead of the usual one."""
    final: dict[str, str] = field(default_factory=dict)
    """LMTP: reply after the dot for a recipient."""
    hang_up_at: str = ""
    hang_up_after: int = 0
    """Close after so many messages (without a word)."""
    silent_at: str = ""
    pauses: dict[str, float] = field(default_factory=dict)
    """Seconds before the reply to a verb, or to the DOT."""
    tls: ssl.SSLContext | None = None


@dataclass
class Mail:
    """A message that arrived."""

    sender: str
    recipients: list[str]
    content: bytes
    parameters: str = ""


class Server:
    """Serves connections; remembers mail, commands and how many connections there were."""

    def __init__(self, manners: Manners) -> None:
        """Behave like this."""
        self.manners = manners
        self.mails: list[Mail] = []
        self.commands: list[str] = []
        self.connections = 0
        self.limit = 1_000_000
        self.changed = asyncio.Event()

    async def until(self, condition: Callable[[], bool], seconds: float = 60.0) -> None:
        """Wait until something has arrived."""
        async with asyncio.timeout(seconds):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    async def listen_unix(self, path: Path) -> asyncio.AbstractServer:
        """Listen on a UNIX socket."""
        return await asyncio.start_unix_server(self.serve, path, limit=1 << 24)

    async def listen_tcp(self) -> tuple[asyncio.AbstractServer, int]:
        """Listen on a port of 127.0.0.1."""
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0, limit=1 << 24)
        return server, server.sockets[0].getsockname()[1]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One session."""
        self.connections += 1
        if self.connections > self.limit:
            writer.write(b"421 too many\r\n")
            writer.close()
            return
        try:
            await _Talk(self, reader, writer).run()
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            writer.close()
            self.changed.set()


class _Talk:
    """The state of one session."""

    def __init__(
        self, server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Begin."""
        self.server, self.manners = server, server.manners
        self.reader, self.writer = reader, writer
        self.mail: Mail | None = None
        self.count = 0

    async def run(self) -> None:
        """Talk until somebody has enough."""
        self.say(self.manners.greeting)
        while line := await self.reader.readline():
            assert line.endswith(b"\r\n"), "commands end with CRLF"
            text = line[:-2].decode("ascii")
            self.server.commands.append(text)
            verb = text.split()[0].upper()
            if self.manners.hang_up_at == verb:
                return
            await asyncio.sleep(self.manners.pauses.get(verb, 0.0))
            if self.manners.silent_at == verb:
                await asyncio.sleep(3600)
            if verb in self.manners.replies and verb != "DATA":
                self.say(self.manners.replies[verb])
            elif await self.command(verb, text):
                return
            await self.writer.drain()

    def say(self, text: str) -> None:
        """Send reply lines."""
        self.writer.write(text.encode() + b"\r\n")

    async def command(self, verb: str, text: str) -> bool:
        """Answer one command; True to end."""
        if verb in ("EHLO", "LHLO"):
            assert (verb == "LHLO") == self.manners.lmtp
            lines = ["test.server", *self.manners.keywords]
            if self.manners.tls is not None and not self.writer.get_extra_info("ssl_object"):
                lines.append("STARTTLS")
            self.say("\r\n".join([f"250-{one}" for one in lines[:-1]] + [f"250 {lines[-1]}"]))
        elif verb == "STARTTLS":
            self.say("220 go")
            await self.writer.drain()
            await self.writer.start_tls(self.manners.tls)  # type: ignore[arg-type]
        elif verb == "MAIL":
            assert self.mail is None, "nested MAIL"
            found = _PATH.search(text)
            assert found is not None
            self.mail = Mail(found[1], [], b"", text[found.end() :])
            self.say("250 2.1.0 ok")
        elif verb == "RCPT":
            self.recipient(text)
        elif verb == "DATA":
            return await self.data()
        elif verb == "RSET":
            self.mail = None
            self.say("250 2.0.0 ok")
        elif verb == "QUIT":
            self.say("221 2.0.0 bye")
            return True
        else:
            self.say("500 5.5.1 what")
        return False

    def recipient(self, text: str) -> None:
        """Take or refuse a recipient."""
        self.server.changed.set()
        found = _PATH.search(text)
        assert found is not None
        if self.mail is None:
            self.say("503 5.5.1 MAIL first")
            return
        reply = self.manners.replies.get(found[1], "250 2.1.5 ok")
        if reply.startswith("2"):
            self.mail.recipients.append(found[1])
        self.say(reply)

    async def data(self) -> bool:
        """Take the content, dots taken off."""
        if self.mail is None or not self.mail.recipients:
            self.say("503 5.5.1 RCPT first")
            return False
        if "DATA" in self.manners.replies:
            self.say(self.manners.replies["DATA"])
            return False
        self.say("354 go on")
        await self.writer.drain()
        lines = []
        while (line := await self.reader.readline()) != b".\r\n":
            if not line:
                return True
            assert line.endswith(b"\r\n") and b"\r" not in line[:-2], "only CRLF ends a line"
            lines.append(line[1:] if line.startswith(b".") else line)
        if self.manners.hang_up_at == "DOT":
            return True
        self.mail.content = b"".join(lines)
        self.server.commands.append("DOT")
        await asyncio.sleep(self.manners.pauses.get("DOT", 0.0))
        self.answer_dot(self.mail)
        self.server.changed.set()
        self.mail = None
        self.count += 1
        return self.count == self.manners.hang_up_after

    def answer_dot(self, mail: Mail) -> None:
        """Answer once, or in LMTP once for each recipient."""
        if not self.manners.lmtp:
            reply = self.manners.final.get("", "250 2.0.0 taken")
            if reply.startswith("2"):
                self.server.mails.append(mail)
            self.say(reply)
            return
        good = []
        for one in mail.recipients:
            reply = self.manners.final.get(one, f"250 2.1.5 {one} taken")
            if reply.startswith("2"):
                good.append(one)
            self.say(reply)
        self.server.mails.append(Mail(mail.sender, good, mail.content, mail.parameters))

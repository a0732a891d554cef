"""Replies of a server from its bytes: tolerant in small things, bounded in all."""

import re

from meta1.smtp.errors import SmtpError
from meta1.smtp.events import Capabilities
from meta1.smtp.reply import Reply

MAX_LINE = 4096
MAX_LINES = 128
_REPLY_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])(.*))?", re.DOTALL)
_ENHANCED = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?: |$)")
_UNPRINTABLE = re.compile(r"[^ -~]")


class ReplyUnreadable(SmtpError):
    """What the server sends is no SMTP reply; the session cannot go on."""


class ReplyReader:
    """Collects lines until a reply is whole."""

    __slots__ = ("_data", "_lines")

    def __init__(self) -> None:
        """Start empty."""
        self._data = b""
        self._lines: list[tuple[int, str]] = []

    @property
    def pending(self) -> int:
        """Count bytes that belong to no whole reply yet."""
        return len(self._data)

    def feed(self, data: bytes) -> None:
        """Append bytes of the server."""
        self._data += data

    def take(self) -> Reply | None:
        """Give the next whole reply, or None; raise if it cannot be one."""
        while (end := self._data.find(b"\n")) >= 0:
            line = self._data[:end].removesuffix(b"\r")
            self._data = self._data[end + 1 :]
            if self._add(line):
                return self._finish()
        if len(self._data) > MAX_LINE:
            raise ReplyUnreadable("reply line too long")
        return None

    def _add(self, line: bytes) -> bool:
        """Keep one line; True if it is the last of its reply."""
        found = _REPLY_LINE.fullmatch(line)
        if found is None or len(line) > MAX_LINE:
            raise ReplyUnreadable("line is no SMTP reply")
        if len(self._lines) == MAX_LINES:
            raise ReplyUnreadable("reply has too many lines")
        text = (found[3] or b"").decode("utf-8", "replace")
        self._lines.append((int(found[1]), _UNPRINTABLE.sub("?", text)))
        return found[2] != b"-"

    def _finish(self) -> Reply:
        """Join the lines; the last code counts, as RFC 5321 4.2.1 lets one read it."""
        lines, self._lines = self._lines, []
        code = lines[-1][0]
        found = _ENHANCED.match(lines[-1][1])
        if found is None or found[1][0] != str(code)[0]:
            return Reply(code, "", tuple(text for _, text in lines))
        enhanced = found[1]
        return Reply(code, enhanced, tuple(_without(enhanced, text) for _, text in lines))


def _without(enhanced: str, text: str) -> str:
    """Take the enhanced code off a line that repeats it."""
    return text.removeprefix(enhanced).removeprefix(" ") if text.startswith(enhanced) else text


def read_capabilities(answer: Reply) -> Capabilities:
    """Read the keywords out of a reply to EHLO."""
    name = answer.lines[0].partition(" ")[0]
    keywords: dict[str, str] = {}
    for line in answer.lines[1:]:
        keyword, _, parameter = line.partition(" ")
        keywords[keyword.upper()] = parameter.strip()
    return Capabilities(name, keywords)

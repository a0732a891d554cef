"""Bytes to lines and back: CRLF only, dot-stuffing, size and line limits, the hop count.

Nothing but CRLF ends a line and nothing but CRLF.CRLF ends a mail, so no other reading of the
same bytes can hide a second mail in the first (SMTP smuggling).  Whole input and byte by byte
give the same.
"""

import enum
import re

from meta1.smtp import reply as replies
from meta1.smtp.reply import Reply

END_OF_CONTENT = b"\r\n.\r\n"
_BARE = re.compile(rb"\r\n|\r|\n")
_RECEIVED = b"\r\nreceived:"


class Fault(enum.Enum):
    """Why a command line cannot be used."""

    BARE_LINE_END = enum.auto()
    TOO_LONG = enum.auto()


class LineBuffer:
    """Incoming bytes, cut into lines; a line may be looked at before it is taken."""

    __slots__ = ("_data", "_position", "_end", "_skipping")

    def __init__(self) -> None:
        """Start empty."""
        self._data = b""
        self._position = 0
        self._end = 0
        self._skipping = False

    def __len__(self) -> int:
        """Count the bytes not yet taken."""
        return len(self._data) - self._position

    def feed(self, data: bytes) -> None:
        """Append bytes; what was taken before is given back to the allocator."""
        self._data = self._data[self._position :] + data
        self._position = 0

    def take_all(self) -> bytes:
        """Take everything, for a reader that is not made of command lines."""
        data = self._data[self._position :] if self._position else self._data
        self.clear()
        return data

    def clear(self) -> None:
        """Forget everything."""
        self._data = b""
        self._position = 0

    def starts_with(self, word: bytes) -> bool:
        """Say whether the next bytes are this upper-case word, in any case."""
        return self._data[self._position : self._position + len(word)].upper() == word

    def look(self, limit: int) -> bytes | Fault | None:
        """Show the next line without its CRLF, a fault in it, or None while it is incomplete."""
        data, start = self._data, self._position
        end = data.find(b"\n", start)
        if end < 0:
            if len(data) - start > limit:
                self._skipping = True
                self.clear()
            return None
        self._end = end + 1
        if self._skipping or end + 1 - start > limit:
            return Fault.TOO_LONG
        line = data[start : end - 1]
        if data[end - 1 : end] != b"\r" or end == start or b"\r" in line:
            return Fault.BARE_LINE_END
        return line

    def take(self) -> None:
        """Take the line that was looked at."""
        self._position = self._end
        self._skipping = False


class HopCounter:
    """Counts Received lines in the header, however the header is cut into pieces."""

    __slots__ = ("count", "_carry", "_done")

    def __init__(self) -> None:
        """Start as if a line had just ended."""
        self.count = 0
        self._carry = b"\r\n"
        self._done = False

    def feed(self, chunk: bytes) -> None:
        """Look at the next piece of content."""
        if self._done:
            return
        text = self._carry + chunk
        end = text.find(b"\r\n\r\n")
        if end >= 0:
            self._done = True
            text = text[: end + 2]
        self.count += text.lower().count(_RECEIVED)
        self._carry = text[-(len(_RECEIVED) - 1) :]


class ContentReader:
    """Mail data to content: finds the end, takes dots off, and remembers the first thing wrong.

    A fault does not end the mail: reading goes on to the real end, and only then is it refused.
    """

    __slots__ = ("size", "fault", "_tail", "_started", "_hops", "_open_line", "_limits")

    def __init__(self, max_size: int, max_line: int, max_hops: int) -> None:
        """Take the limits; 0 as size means none."""
        self.size = 0
        self.fault: Reply | None = None
        self._tail = b"\r\n"
        self._started = False
        self._hops = HopCounter()
        self._open_line = 0
        self._limits = (max_size, max_line, max_hops)

    @property
    def hops(self) -> int:
        """Count of Received lines seen so far."""
        return self._hops.count

    def feed(self, data: bytes) -> tuple[bytes, bytes | None]:
        """Give the content found and, once the end was seen, the bytes behind it (else None)."""
        raw = self._tail + data
        end = raw.find(END_OF_CONTENT)
        if end >= 0:
            self._tail = b""
            return self._content(raw[: end + 2]), raw[end + len(END_OF_CONTENT) :]
        # What could still become CRLF.CRLF, or a stuffed dot, waits for the next piece.
        cut = raw.find(b"\r", max(0, len(raw) - 4))
        cut = len(raw) if cut < 0 else cut
        self._tail = raw[cut:]
        return self._content(raw[:cut]), None

    def _content(self, raw: bytes) -> bytes:
        """Unstuff a piece that never ends inside CRLF-dot, and check it."""
        if not raw:
            return b""
        if b"\r\n." in raw:
            raw = raw.replace(b"\r\n.", b"\r\n")
        if not self._started:
            self._started = True
            raw = raw[2:]
        self.size += len(raw)
        self._hops.feed(raw)
        if self.fault is None:
            self.fault = self._find_fault(raw)
        return raw

    def _find_fault(self, piece: bytes) -> Reply | None:
        max_size, max_line, max_hops = self._limits
        if max_size and self.size > max_size:
            return replies.MESSAGE_TOO_LARGE
        if _has_bare_end(piece):
            return replies.BARE_LINE_END_IN_CONTENT
        if b"\0" in piece:
            return replies.NUL_IN_CONTENT
        if self._has_long_line(piece, max_line):
            return replies.CONTENT_LINE_TOO_LONG
        return replies.TOO_MANY_HOPS if self._hops.count > max_hops else None

    def _has_long_line(self, piece: bytes, limit: int) -> bool:
        """Look for a line over the limit in strides, without splitting into lines."""
        start = -self._open_line
        while start + limit < len(piece):
            found = piece.rfind(b"\n", max(0, start), start + limit + 1)
            if found < 0:
                return True
            start = found + 1
        last_end = piece.rfind(b"\n")
        self._open_line = len(piece) - (start if last_end < 0 else last_end + 1)
        return False


def _has_bare_end(piece: bytes) -> bool:
    """Look for a CR or LF that is no part of a CRLF; three times as fast as counting all three."""
    rest = piece.replace(b"\r\n", b"")
    return b"\n" in rest or b"\r" in rest


class DotStuffer:
    """Content to mail data: CRLF everywhere, dots doubled, the final dot; never a bare CR or LF."""

    __slots__ = ("_at_line_start", "_held")

    def __init__(self) -> None:
        """Start at the beginning of a line."""
        self._at_line_start = True
        self._held = b""

    def feed(self, chunk: bytes) -> bytes:
        """Encode the next piece; a CR at its end waits for what follows."""
        chunk = self._held + chunk
        self._held = b""
        if chunk[-1:] == b"\r":
            self._held, chunk = b"\r", chunk[:-1]
        return self._encode(chunk)

    def finish(self) -> bytes:
        """End the last line if need be and write the final dot."""
        rest = self._encode(self._held)
        self._held = b""
        closing = b".\r\n" if self._at_line_start else b"\r\n.\r\n"
        return rest + closing

    def _encode(self, chunk: bytes) -> bytes:
        if not chunk:
            return chunk
        if _has_bare_end(chunk):
            # Some LMTP servers end the mail at LF.LF: nothing but CRLF may leave.
            chunk = _BARE.sub(b"\r\n", chunk)
        starts_with_dot = self._at_line_start and chunk[:1] == b"."
        self._at_line_start = chunk[-1:] == b"\n"
        if b"\n." in chunk:
            chunk = chunk.replace(b"\n.", b"\n..")
        return b"." + chunk if starts_with_dot else chunk

"""Messages that go astray somewhere in the world: templates of bytes, `@ID@`, `@TO@`, `@RUN@` still open. Pure."""

from __future__ import annotations

import random
from base64 import encodebytes
from collections.abc import Callable, Mapping
from dataclasses import dataclass

HEAD = (
    b"From: Alice <alice@lab.example>\r\nTo: <@TO@>\r\nSubject: interop @ID@\r\n"
    b"Date: Wed, 25 Nov 2026 12:00:00 +0000\r\nMessage-ID: <@ID@@@RUN@.interop.example>\r\n"
)
MIME = b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
LINE = 998
"""Octets of the longest line that every server takes (RFC 5322 2.1.1), without its CRLF."""


@dataclass(frozen=True, slots=True)
class Content:
    """A kind of message; `say` is what the table calls it."""

    name: str
    say: str
    template: bytes


def _plain() -> bytes:
    return HEAD + b"\r\nHello.\r\n"


def _long_header() -> bytes:
    """One field folded over a hundred lines, one that fills a line to the last octet."""
    folded = b"X-Folded: " + b"\r\n\t".join(b"part %03d" % number for number in range(100))
    full = b"X-Full: ".ljust(LINE, b"f")
    return HEAD + folded + b"\r\n" + full + b"\r\n\r\nLook above.\r\n"


def _eight_bit() -> bytes:
    """UTF-8, and every octet above 127 as it is."""
    every = bytes(range(0x80, 0x100))
    return HEAD + MIME + b"\r\n" + "Grüße, 世界, здравствуйте\r\n".encode() + every + b"\r\n"


def _full_lines() -> bytes:
    lines = (bytes([letter]) * LINE for letter in b"abc")
    return HEAD + b"\r\n" + b"\r\n".join(lines) + b"\r\n"


def _dots() -> bytes:
    lines = (b".", b"..", b"...", b".one", b"..two", b"", b". ", b"end.", b".")
    return HEAD + b"\r\n" + b"\r\n".join(lines) + b"\r\n"


def _no_body() -> bytes:
    return HEAD + b"\r\n"


def _large(size: int) -> bytes:
    """Random data as mail carries it; the same in each run."""
    data = random.Random(5321).randbytes(size * 73 // 100)
    body = encodebytes(data).replace(b"\n", b"\r\n")
    return HEAD + b"\r\n" + body


def contents(large: int) -> tuple[Content, ...]:
    """All kinds; `large` octets is about the size of the large one."""
    makers: Mapping[str, tuple[str, Callable[[], bytes]]] = {
        "plain": ("a plain message", _plain),
        "header": ("long header fields", _long_header),
        "8bit": ("8-bit body", _eight_bit),
        "998": ("lines of 998 octets", _full_lines),
        "dots": ("lines of dots", _dots),
        "nobody": ("no body", _no_body),
        "large": (f"{large / 1e6:.0f} MB", lambda: _large(large)),
    }
    return tuple(Content(name, say, make()) for name, (say, make) in makers.items())

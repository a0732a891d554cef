"""Netstrings and the socket map protocol, as pure functions.

A netstring is the length in decimal, a colon, the bytes, a comma.  A request is the name of the
map, a blank and the key; a reply is a status word, perhaps a blank, and data.
"""

from __future__ import annotations

from typing import Final

from meta1.maps.base import MAX_VALUE, NO_MORE, NOT_FOUND, Answer, MapFailure, MapRefusal, Status

MAX_DIGITS: Final = 6


class BadNetstring(Exception):
    """The other side does not speak the protocol."""


def encode(payload: bytes) -> bytes:
    """Make a netstring."""
    return b"%d:%s," % (len(payload), payload)


def request(map_name: str, key: str) -> bytes:
    """Make a request."""
    return encode(f"{map_name} {key}".encode("utf-8", "surrogateescape"))


def take(buffer: bytearray) -> bytes | None:
    """Take a whole netstring off the buffer; None if more bytes are needed."""
    colon = buffer.find(b":", 0, MAX_DIGITS + 1)
    digits = bytes(buffer[: colon if colon >= 0 else MAX_DIGITS + 1])
    if digits and not digits.isdigit():
        raise BadNetstring("no length")
    if colon < 0:
        if len(buffer) > MAX_DIGITS:
            raise BadNetstring("length too long")
        return None
    if not digits or (digits[:1] == b"0" and len(digits) > 1):
        raise BadNetstring("no length")
    length = int(digits)
    if length > MAX_VALUE:
        raise BadNetstring(f"{length} bytes")
    end = colon + 1 + length
    if len(buffer) <= end:
        return None
    if buffer[end : end + 1] != b",":
        raise BadNetstring("no comma")
    payload = bytes(buffer[colon + 1 : end])
    del buffer[: end + 1]
    return payload


def answer_of(payload: bytes) -> Answer:
    """Read a reply; failures of the map are raised."""
    word, _, rest = payload.decode("utf-8", "backslashreplace").partition(" ")
    if word == "OK":
        return Answer(Status.OK, rest)
    if word in ("NOTFOUND", "NOMORE"):
        return NOT_FOUND if word == "NOTFOUND" else NO_MORE
    if word in ("TEMP", "TIMEOUT"):
        raise MapFailure(rest or "temporary failure")
    if word == "PERM":
        raise MapRefusal(rest or "permanent failure")
    raise BadNetstring(f"status {word[:20]!r}")

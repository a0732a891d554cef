"""Frames of messages as bytes: what `messages.py` means on the wire.

A frame is four bytes of length (big endian) and one JSON array of records; a record is the
name of its message followed by the fields in order.  One frame holds all that was said in one
turn of the loop, so that the cost of a system call and of a wake-up is shared.  JSON because it
is safe against a hostile peer, is done in C on both sides (a record of ten fields takes
about five microseconds), and can be read in a trace as it is.

Nothing that arrives is trusted: each field is checked against the type in the dataclass.
"""

from __future__ import annotations

import json
import re
import struct
import typing
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, is_dataclass
from enum import StrEnum
from operator import attrgetter
from typing import Any, Final, cast

from meta1 import messages
from meta1.messages import Message

MAX_FRAME: Final = 8 * 1024 * 1024
"""A longer frame is an attack or a mistake: the connection is closed."""
MAX_STRING: Final = 64 * 1024
MAX_TEXT: Final = 1024 * 1024
MAX_ITEMS: Final = 20_000
_LENGTH: Final = struct.Struct("!I")
_FORBIDDEN: Final = re.compile("[\r\n\0\ud800-\udfff]")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")

Decoder = Callable[[Any], Any]


class BadFrame(ValueError):
    """The peer sent bytes that are no frame of this protocol."""


class TooBig(ValueError):
    """A message of our own would not fit into a frame; it was not sent."""


# ---- fields --------------------------------------------------------------------------------


def _string(value: Any) -> str:
    """Accept one line of text without half characters."""
    fits = type(value) is str and len(value) <= MAX_STRING
    if fits and (value.isprintable() or _FORBIDDEN.search(value) is None):
        return cast(str, value)
    raise BadFrame("a string is too long or holds a line end")


def _text(value: Any) -> str:
    """Accept text of several lines."""
    if type(value) is str and len(value) <= MAX_TEXT and _SURROGATE.search(value) is None:
        return value
    raise BadFrame("a text is too long or no text")


def _integer(value: Any) -> int:
    """Accept a number that fits a file offset; a bool is no number."""
    if type(value) is int and 0 <= value < 1 << 63:
        return value
    raise BadFrame("a number is out of range")


def _boolean(value: Any) -> bool:
    """Accept true and false and nothing that only looks like them."""
    if value is True or value is False:
        return value
    raise BadFrame("neither true nor false")


def _choice(kind: type[StrEnum]) -> Decoder:
    """Make a decoder for one of the words of an enumeration."""
    words = {member.value: member for member in kind}

    def decode(value: Any) -> StrEnum:
        """Look the word up."""
        if type(value) is str and value in words:
            return words[value]
        raise BadFrame(f"no {kind.__name__}")

    return decode


def _many(item: Decoder) -> Decoder:
    """Make a decoder for a tuple of any length up to the limit."""

    def decode(value: Any) -> tuple[Any, ...]:
        """Decode each item."""
        if type(value) is list and len(value) <= MAX_ITEMS:
            return tuple([item(one) for one in value])
        raise BadFrame("no list, or too long a list")

    return decode


def _record(kind: type[Any]) -> Decoder:
    """Make a decoder for the fields of a dataclass, all of which must be there."""
    hints = typing.get_type_hints(kind)
    decoders = tuple(_decoder(hints[field.name]) for field in fields(kind))
    count = len(decoders)

    def decode(value: Any) -> Any:
        """Decode each field in its place."""
        if type(value) is not list or len(value) != count:
            raise BadFrame(f"wrong number of fields for {kind.__name__}")
        return kind(*[one(item) for one, item in zip(decoders, value, strict=True)])

    return decode


_PLAIN: Final[dict[Any, Decoder]] = {
    str: _string,
    int: _integer,
    bool: _boolean,
    messages.Text: _text,
}


def _decoder(hint: Any) -> Decoder:
    """Choose the decoder for a type written in a dataclass."""
    if hint in _PLAIN:
        return _PLAIN[hint]
    if typing.get_origin(hint) is tuple:
        return _many(_decoder(typing.get_args(hint)[0]))
    if is_dataclass(hint) and isinstance(hint, type):
        return _record(hint)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return _choice(hint)
    raise TypeError(f"messages may not hold {hint!r}")


# ---- records and frames --------------------------------------------------------------------

_KINDS: Final[tuple[type[Any], ...]] = typing.get_args(messages.Message)
_DECODERS: Final[dict[str, Decoder]] = {kind.__name__: _record(kind) for kind in _KINDS}


def _fields_of(kind: type[Any]) -> Callable[[Any], Any]:
    """Make the function that lists the fields of a dataclass (in C)."""
    names = [field.name for field in fields(kind)]
    return attrgetter(*names) if len(names) > 1 else lambda one: (getattr(one, names[0]),)


def _all_kinds() -> Iterator[type[Any]]:
    """List the messages and the dataclasses that stand inside them."""
    waiting = list(_KINDS)
    while waiting:
        kind = waiting.pop()
        yield kind
        for hint in typing.get_type_hints(kind).values():
            inner = typing.get_args(hint)[0] if typing.get_origin(hint) is tuple else hint
            if is_dataclass(inner) and isinstance(inner, type):
                waiting.append(inner)


_FIELDS: Final = {kind: _fields_of(kind) for kind in _all_kinds()}


def _nested(value: Any) -> Any:
    """Tell the JSON encoder what to write for a dataclass inside a message."""
    return _FIELDS[type(value)](value)


_encode: Final = json.JSONEncoder(
    default=_nested, separators=(",", ":"), check_circular=False
).encode


def _as_list(message: Message) -> list[Any]:
    """Name and fields of a message."""
    kind = type(message)
    return [kind.__name__, *_FIELDS[kind](message)]


def encode_frame(batch: Iterable[Message]) -> bytes:
    """Turn messages into one frame; `TooBig` if they do not fit."""
    payload = _encode([_as_list(message) for message in batch]).encode("ascii")
    if len(payload) > MAX_FRAME:
        raise TooBig(f"{len(payload)} bytes")
    return _LENGTH.pack(len(payload)) + payload


def decode_payload(payload: bytes) -> list[Message]:
    """Turn the inside of a frame into messages; `BadFrame` for anything else."""
    try:
        records = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise BadFrame("no JSON") from error
    if type(records) is not list:
        raise BadFrame("no array of records")
    return [_message(record) for record in records]


def _message(record: Any) -> Message:
    """Decode one record by its name."""
    if type(record) is not list or not record or type(record[0]) is not str:
        raise BadFrame("a record has no name")
    decode = _DECODERS.get(record[0])
    if decode is None:
        raise BadFrame("no message of that name")
    return cast(Message, decode(record[1:]))


class FrameReader:
    """Cuts a stream of bytes into frames; holds at most one frame that is not whole yet."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        """Start with nothing."""
        self._buffer = bytearray()

    def receive(self, data: bytes) -> list[Message]:
        """Take bytes as they come and give the messages of all frames now complete."""
        buffer = self._buffer
        buffer += data
        found: list[Message] = []
        start = 0
        while len(buffer) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(buffer, start)
            if length > MAX_FRAME:
                raise BadFrame(f"a frame of {length} bytes")
            end = start + _LENGTH.size + length
            if len(buffer) < end:
                break
            found += decode_payload(bytes(buffer[start + _LENGTH.size : end]))
            start = end
        del buffer[:start]
        return found

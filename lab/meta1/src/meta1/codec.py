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
    if len(value) <= MAX_STRING and (value.isprintable() or _FORBIDDEN.search(value) is None):
        return cast(str, value)
    raise BadFrame("a string is too long or holds a line end")


def _text(value: Any) -> str:
    """Accept text of several lines."""
    if len(value) <= MAX_TEXT and _SURROGATE.search(value) is None:
        return cast(str, value)
    raise BadFrame("a text is too long or no text")


def _integer(value: Any) -> int:
    """Accept a number that fits a file offset."""
    if 0 <= value < 1 << 63:
        return cast(int, value)
    raise BadFrame("a number is out of range")


def _choice(kind: type[StrEnum]) -> Decoder:
    """Make a decoder for one of the words of an enumeration."""
    words = {member.value: member for member in kind}

    def decode(value: Any) -> StrEnum:
        """Look the word up."""
        if value in words:
            return words[value]
        raise BadFrame(f"no {kind.__name__}")

    return decode


def _many(json_type: type, item: Decoder | None) -> Decoder:
    """Make a decoder for a tuple of any length up to the limit."""

    def decode(value: Any) -> tuple[Any, ...]:
        """Decode each item."""
        if len(value) > MAX_ITEMS or not all(type(one) is json_type for one in value):
            raise BadFrame("too long a list, or one of something else")
        return tuple(value) if item is None else tuple([item(one) for one in value])

    return decode


def _record(kind: type[Any], is_safe: bool) -> Decoder:
    """Make a decoder for the fields of a dataclass, all of which must be there.

    The types of all fields are compared at once; only some fields need more than that.
    """
    hints = typing.get_type_hints(kind)
    decoders = [_decoder(hints[field.name], is_safe) for field in fields(kind)]
    types = [json_type for json_type, _ in decoders]
    further = [(place, more) for place, (_, more) in enumerate(decoders) if more is not None]

    def decode(value: Any) -> Any:
        """Decode each field in its place."""
        if type(value) is not list or [*map(type, value)] != types:
            raise BadFrame(f"wrong fields for {kind.__name__}")
        for place, more in further:
            value[place] = more(value[place])
        return kind(*value)

    return decode


_PLAIN: Final[dict[Any, tuple[type, Decoder | None]]] = {
    str: (str, _string),
    int: (int, _integer),
    bool: (bool, None),
    messages.Text: (str, _text),
}


def _decoder(hint: Any, is_safe: bool) -> tuple[type, Decoder | None]:
    """Choose the JSON type and the decoder for a type written in a dataclass.

    `is_safe` says that the strings have been looked at already, all at once.
    """
    if hint in _PLAIN:
        json_type, more = _PLAIN[hint]
        return json_type, None if is_safe and json_type is str else more
    if typing.get_origin(hint) is tuple:
        return list, _many(*_decoder(typing.get_args(hint)[0], is_safe))
    if is_dataclass(hint) and isinstance(hint, type):
        return list, _record(hint, is_safe)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return str, _choice(hint)
    raise TypeError(f"messages may not hold {hint!r}")


# ---- records and frames --------------------------------------------------------------------

_KINDS: Final[tuple[type[Any], ...]] = typing.get_args(messages.Message)
_DECODERS: Final[dict[str, Decoder]] = {kind.__name__: _record(kind, False) for kind in _KINDS}
_SAFE_DECODERS: Final[dict[str, Decoder]] = {kind.__name__: _record(kind, True) for kind in _KINDS}
"""The same for a frame whose strings have been found to be safe as a whole."""


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
    # JSON writes a line end, a NUL and half a character with a backslash, so most frames are seen
    # at once to have none.
    is_safe = len(payload) <= MAX_STRING and payload.isascii() and b"\\" not in payload
    decoders = _SAFE_DECODERS if is_safe else _DECODERS
    return [_message(record, decoders) for record in records]


def _message(record: Any, decoders: dict[str, Decoder]) -> Message:
    """Decode one record by its name."""
    if type(record) is not list or not record or type(record[0]) is not str:
        raise BadFrame("a record has no name")
    decode = decoders.get(record[0])
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

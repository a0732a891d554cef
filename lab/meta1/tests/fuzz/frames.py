"""Frames between our processes: the codec alone, then a channel with a strange peer."""

from __future__ import annotations

import asyncio
import json
import struct
import typing
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import fields, is_dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from fuzz.source import Source
from fuzz.target import Run, must
from meta1 import codec, messages
from meta1.channel import Channel
from meta1.codec import MAX_FRAME, BadFrame, FrameReader, decode_payload, encode_frame
from meta1.messages import PROTOCOL_VERSION, Hello, Message

KINDS: tuple[type[Any], ...] = typing.get_args(messages.Message)
STRINGS = (
    "", "a@lab.example", "cdb/00-0000000001", "ü€\U0001f600", "S1", "<>", "x" * 3000, '"\\',
    "\t",
    "\x7f", "\u2028", "/",
    "250", "\x85", "a" * codec.MAX_STRING,
)  # fmt: skip
NUMBERS = (0, 1, 255, 65536, 2**31, 2**53 + 1, 2**63 - 1)
HOSTILE: tuple[Any, ...] = (
    None, True, False, -1, 2**63, 10**30, 1.5, 1e308, "", "a\r\nb", "a\0", "\ud800",
    "x" * (codec.MAX_STRING + 1), [], {},
    [[]], ["x"], {"a": 1}, [None] * 30, "ACCEPT", "accept", 0, 1,
)  # fmt: skip
RAW = (
    b"", b"null", b"[]", b"[[]]", b"[null]", b'["Hello"]', b"[[1]]", b'[["Hello"]]',
    b'[["Hello","x",2,1e999]]', b"[NaN]",
    b'[["Hello","x",2,NaN]]', b"[" * 100_000, b'{"a":' * 50_000, b"[" + b"9" * 5000 + b"]",
    b"\xff\xfe[\0]\0", b"\x80",
    b'[["Hello","\\ud800",2,0]]', b'[["Nobody"]]', b'[["Hello","x",2,0],[]]', b"[[]" * 1000, b'"',
    b"\0" * 50,
    b'[["Hello","x\\r\\n",2,0]]', b'[["Hello","x\\u0000",2,0]]', b'[["Hello","x",2.0,0]]',
    b'[["Hello","x",true,0]]',
)  # fmt: skip
_LENGTH = struct.Struct("!I")


def value(source: Source, hint: Any) -> Any:
    """Any right value of a type that messages may hold."""
    if hint is str:
        return source.choose(STRINGS[:-1])
    if hint is messages.Text:
        return source.choose((*STRINGS[:-1], "a\r\nb\r\n", "\0", "\n"))
    if hint is int:
        return source.choose(NUMBERS)
    if hint is bool:
        return source.chance(2)
    if typing.get_origin(hint) is tuple:
        inner = typing.get_args(hint)[0]
        return tuple([value(source, inner) for _ in range(source.below(4))])
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return source.choose(list(hint))
    assert is_dataclass(hint)
    hints = _hints(hint)
    parts = [value(source, hints[field.name]) for field in fields(hint)]
    made: Any = hint(*parts)  # type: ignore[operator]
    return made


_HINTS: dict[Any, dict[str, Any]] = {}


def _hints(kind: Any) -> dict[str, Any]:
    """Type hints, once for each class."""
    if kind not in _HINTS:
        _HINTS[kind] = typing.get_type_hints(kind)
    return _HINTS[kind]


def batch(source: Source) -> list[Message]:
    """Some messages of any kind."""
    return [value(source, source.choose(KINDS)) for _ in range(source.below(4))]


def hostile(source: Source) -> bytes:
    """A payload that looks like one of ours until one looks closely."""
    if source.chance(4):
        return source.choose(RAW)
    payload = encode_frame(batch(source))[_LENGTH.size :]
    if source.chance(2):
        return source.damaged(
            payload, (b'"', b",", b"[", b"]", b"\\", b"\\u0000", b"\\r", b"null", b"-", b"e9", b"{")
        )
    records = json.loads(payload)
    for _ in range(1 + source.below(2)):
        place = records
        while type(place) is list and place and not source.chance(3):
            at = source.below(len(place))
            if type(place[at]) is not list or source.chance(3):
                place[at] = deepcopy(source.choose(HOSTILE))
                break
            place = place[at]
    return json.dumps(records).encode()


def strings(one: Any) -> Iterator[str]:
    """Every string of one line in a message."""
    hints = _hints(type(one))
    for name, hint in hints.items():
        inner = getattr(one, name)
        if hint is messages.Text:
            continue
        for each in inner if isinstance(inner, tuple) else (inner,):
            if isinstance(each, str):
                yield each
            elif is_dataclass(each):
                yield from strings(each)


def has_right_types(one: Any) -> bool:
    """Say whether numbers are numbers that fit, and no bool passes for one."""
    for name, hint in _hints(type(one)).items():
        inner = getattr(one, name)
        for each in inner if isinstance(inner, tuple) else (inner,):
            if is_dataclass(each):
                if not has_right_types(each):
                    return False
            elif hint is int:
                if type(each) is not int or not 0 <= each < 1 << 63:
                    return False
            elif hint is bool and type(each) is not bool:
                return False
    return True


def run(source: Source) -> None:
    """Right frames come back as they were; anything else is refused, or is a right frame."""
    wanted = [batch(source) for _ in range(1 + source.below(3))]
    stream = b"".join(map(encode_frame, wanted))
    reader, found = FrameReader(), []
    for piece in source.cut(stream):
        found += reader.receive(piece)
    must(
        found == [one for each in wanted for one in each],
        "messages changed on their way",
        wanted,
        found,
    )
    payload = hostile(source)
    try:
        taken = decode_payload(payload)
    except BadFrame:
        taken = []
    for one in taken:
        must(has_right_types(one), "a field of another type", one)
        must(not any(set(text) & set("\r\n\0") for text in strings(one)), "a line end came in", one)
        must(decode_payload(encode_frame([one])[_LENGTH.size :]) == [one], "not as it was", one)
    stream = source.damaged(
        stream + _LENGTH.pack(len(payload)) + payload, (b"\0", b"\0\0\0", b"\xff" * 4)
    )
    reader = FrameReader()
    try:
        for piece in source.cut(stream):
            reader.receive(piece)
            must(len(reader._buffer) <= MAX_FRAME + _LENGTH.size, "too much kept")
    except BadFrame:
        pass


# ---- a channel -----------------------------------------------------------------------------


class Transport(asyncio.Transport):
    """The other end, as far as a channel sees it."""

    def __init__(self) -> None:
        """Open."""
        super().__init__()
        self.written = b""
        self.is_cut = False

    def write(self, data: Any) -> None:
        """Keep what is written."""
        must(not self.is_cut, "written behind the end")
        self.written += data

    def abort(self) -> None:
        """Be cut off."""
        self.is_cut = True

    close = abort

    def is_reading(self) -> bool:
        """Always."""
        return True


async def _talk(source: Source) -> None:
    """Feed one channel."""
    heard: list[Message] = []
    opened: list[Hello] = []
    closed: list[Channel] = []
    me = Hello("me")
    channel = Channel(
        me,
        lambda _, message: heard.append(message),
        lambda _, hello: opened.append(hello),
        closed.append,
    )
    transport = Transport()
    channel.connection_made(transport)
    hello = Hello(
        "peer",
        source.choose(
            (PROTOCOL_VERSION, PROTOCOL_VERSION, PROTOCOL_VERSION, 0, PROTOCOL_VERSION + 1)
        ),
    )
    frames = [encode_frame([hello]), *[encode_frame(batch(source)) for _ in range(source.below(3))]]
    if source.chance(2):
        payload = hostile(source)
        frames.insert(source.below(len(frames) + 1), _LENGTH.pack(len(payload)) + payload)
    if source.chance(4):
        frames = source.shuffled(frames)
    stream = b"".join(frames)
    if source.chance(4):
        stream = source.damaged(stream, (_LENGTH.pack(MAX_FRAME + 1), b"\0\0\0\2[]"))
    for piece in source.cut(stream):
        if transport.is_cut:
            break
        channel.data_received(piece)
        must(not heard or opened, "heard before Hello", heard)
        must(
            all(one.version == PROTOCOL_VERSION for one in opened),
            "another version was let in",
            opened,
        )
        must(len(opened) <= 1 and not any(isinstance(one, Hello) for one in heard), "Hello twice")
    count = len(heard)
    if transport.is_cut:
        channel.data_received(encode_frame([value(source, KINDS[1])]))
        must(len(heard) == count, "heard behind the end")
    channel.send(me)
    await asyncio.sleep(0)
    channel.connection_lost(None)
    must(len(closed) == len(opened), "the owner was not told of the end once", closed, opened)


@contextmanager
def open_channel(box: Path) -> Iterator[Run]:
    """Channels in one loop."""
    with asyncio.Runner() as runner:
        yield lambda source: runner.run(_talk(source))

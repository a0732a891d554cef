"""What is said on the broker's sockets: a JSON object a line, one request a connection.

A request is ``{"do": VERB, ARGUMENT: VALUE ...}``. The answer is any number of ``{"say": ...}`` and at the end
``{"ok": RESULT}`` or ``{"error": MESSAGE, "mend": NEXT STEP, "kind": NAME}``. Who asks is never said: that is known
by the socket. After the ok line of `connect` comes a line ``{}`` that carries a stream to the machine's sshd
(SCM_RIGHTS). Nothing here opens a socket; both sides build on it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from lab.errors import LabError, NoLab, NoProvider, NotUp

MOST_REQUEST = 1 << 14
"""Bytes of a request's line; the broker ends a connection that sends more."""
MOST_ANSWER = 1 << 23
"""Bytes of an answer's line that a client takes: a table of a thousand trainees has less."""
MOST_TEXT = 2000
"""Characters of a message to trainees."""
CHECKPOINT = re.compile(r"[a-z0-9][a-z0-9._-]{0,60}")
TRAINEE = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")
EVENTS = ("begun", "check", "exercise", "hint", "solve", "reset", "goto")
"""Kinds of events: what a trainee does in a chapter, told by their own commands."""
KINDS: dict[str, type[LabError]] = {each.__name__: each for each in (NotUp, NoLab, NoProvider)}
"""Errors that stay what they are on the way: others arrive as `LabError`."""

Test = Callable[[object], bool]


class BadRequest(LabError):
    """What came is no request of this protocol."""


@dataclass(frozen=True, slots=True)
class Argument:
    """What a verb's argument must be; `what` says it in an error."""

    test: Test
    what: str


@dataclass(frozen=True, slots=True)
class Request:
    """A request whose verb is known and whose arguments are as the table says."""

    do: str
    arguments: Mapping[str, Any]


def _whole(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _text(value: object, pattern: re.Pattern[str]) -> bool:
    return isinstance(value, str) and bool(pattern.fullmatch(value))


def _written(value: object, most: int) -> bool:
    """A text that can be stored and shown: JSON can also say halves of characters."""
    return (
        isinstance(value, str)
        and len(value.strip()) > 0
        and len(value) <= most
        and (not any(0xD800 <= ord(letter) < 0xE000 for letter in value))
    )


def _small(value: object) -> bool:
    """A flat object of a few counts, flags and short texts."""
    return (
        isinstance(value, dict)
        and len(value) <= 8
        and all(_text(key, re.compile("[a-z_]{1,20}")) for key in value)
        and all(
            isinstance(each, bool) or _whole(each, 0, 2**31) or _written(each, 200)
            for each in value.values()
        )
    )


def _trainees(value: object) -> bool:
    """Logins, at least one, or the word ``all``."""
    return value == "all" or (
        isinstance(value, list)
        and 0 < len(value) <= 2000
        and all(_text(each, TRAINEE) for each in value)
    )


name = Argument(
    lambda value: _text(value, CHECKPOINT), "a checkpoint: small letters, digits, dots and hyphens"
)
chapter = Argument(lambda value: _whole(value, 1, 99), "a chapter's number")
trainees = Argument(_trainees, 'a list of trainees, or "all"')
trainee = Argument(lambda value: _text(value, TRAINEE), "a trainee's login")
text = Argument(
    lambda value: _written(value, MOST_TEXT),
    f"a text of 1 to {MOST_TEXT} characters",
)
since = Argument(lambda value: _whole(value, 0, 2**53), "the id of a message, 0 for all")
kind = Argument(
    lambda value: isinstance(value, str) and value in EVENTS, f"one of {', '.join(EVENTS)}"
)
detail = Argument(_small, "an object of at most 8 counts, flags and short texts")
switch = Argument(lambda value: isinstance(value, str) and value in ("up", "stop"), "up or stop")

Table = Mapping[str, Mapping[str, Argument]]
OF_TRAINEES: Table = MappingProxyType(
    {
        "up": {},
        "down": {},
        "status": {},
        "names": {},
        "save": {"name": name},
        "restore": {"name": name},
        "forget": {"name": name},
        "cut_power": {},
        "connect": {},
        "event": {"kind": kind, "chapter": chapter, "detail": detail},
        "messages": {"since": since},
    }
)
"""What a trainee may ask for."""
OF_INSTRUCTORS: Table = MappingProxyType(
    {
        "table": {},
        "watch": {},
        "goto": {"trainees": trainees, "chapter": chapter},
        "say": {"trainees": trainees, "text": text},
        "machine": {"trainee": trainee, "verb": switch},
        "server": {
            "trainee": trainee,
            "running": Argument(lambda v: isinstance(v, bool), "true or false"),
        },
        "prepared": {},
    }
)
"""What the instructor's page, the spawner and `lab class` may ask for."""


def parse(line: bytes, table: Table) -> Request:
    """The request in a line. Raises `BadRequest` unless verb and arguments are just as the table says."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadRequest("no JSON in that line") from error
    if not isinstance(found, dict) or not isinstance(do := found.pop("do", None), str):
        raise BadRequest('a request is an object with a "do"', f"one of: {', '.join(table)}")
    if do not in table:
        raise BadRequest(f"nothing is called {do[:40]!r} here", f"one of: {', '.join(table)}")
    if found.keys() != table[do].keys():
        raise BadRequest(f"{do} takes the arguments: {', '.join(table[do]) or 'none'}")
    for key, argument in table[do].items():
        if not argument.test(found[key]):
            raise BadRequest(f"{do}: {key} must be {argument.what}")
    return Request(do, MappingProxyType(found))


def encode(value: Mapping[str, object]) -> bytes:
    """A line of the protocol."""
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"


def refusal(error: LabError) -> bytes:
    """The last line of an answer that is an error."""
    name = type(error).__name__
    kind = {"kind": name} if name in KINDS else {}
    return encode({"error": error.message, "mend": error.next_step, **kind})


def decode(line: bytes) -> dict[str, Any]:
    """A line of an answer. Raises the `LabError` that it brings, or one that says that this is no answer."""
    try:
        found = json.loads(line)
    except ValueError as error:
        raise LabError("the broker's answer is no JSON", "lab class status") from error
    if not isinstance(found, dict):
        raise LabError("the broker's answer is no object", "lab class status")
    if "error" in found:
        raise KINDS.get(found.get("kind", ""), LabError)(
            str(found["error"]), str(found.get("mend", ""))
        )
    return found

"""What the broker takes from a trainee, and above all what it does not."""

from __future__ import annotations

import json

import pytest

from lab.classroom.protocol import (
    MOST_TEXT,
    OF_INSTRUCTORS,
    OF_TRAINEES,
    BadRequest,
    Table,
    decode,
    parse,
    refusal,
)
from lab.errors import LabError, NotUp

GOOD: tuple[tuple[Table, dict[str, object]], ...] = (
    (OF_TRAINEES, {"do": "up"}),
    (OF_TRAINEES, {"do": "save", "name": "end-03-0123456789ab"}),
    (OF_TRAINEES, {"do": "messages", "since": 0}),
    (
        OF_TRAINEES,
        {"do": "event", "kind": "check", "chapter": 3, "detail": {"passed": True, "failed": 0}},
    ),
    (OF_INSTRUCTORS, {"do": "goto", "trainees": "all", "chapter": 16}),
    (OF_INSTRUCTORS, {"do": "say", "trainees": ["t01", "t02"], "text": "Fünf Minuten Pause"}),
)
BAD: tuple[tuple[Table, object], ...] = (
    (OF_TRAINEES, []),
    (OF_TRAINEES, {"do": ["up"]}),
    (OF_TRAINEES, {"do": "table"}),
    (OF_TRAINEES, {"do": "up", "trainee": "t02"}),
    (OF_TRAINEES, {"do": "save"}),
    (OF_TRAINEES, {"do": "save", "name": "../../etc"}),
    (OF_TRAINEES, {"do": "save", "name": "--all"}),
    (OF_TRAINEES, {"do": "save", "name": "a:b"}),
    (OF_TRAINEES, {"do": "save", "name": "a\n"}),
    (OF_TRAINEES, {"do": "save", "name": "a" * 62}),
    (OF_TRAINEES, {"do": "save", "name": 7}),
    (OF_TRAINEES, {"do": "messages", "since": -1}),
    (OF_TRAINEES, {"do": "messages", "since": True}),
    (OF_TRAINEES, {"do": "messages", "since": 1 << 60}),
    (OF_TRAINEES, {"do": "event", "kind": [], "chapter": 1, "detail": {}}),
    (OF_TRAINEES, {"do": "event", "kind": "check", "chapter": 0, "detail": {}}),
    (OF_TRAINEES, {"do": "event", "kind": "check", "chapter": 1, "detail": {"n": {}}}),
    (OF_TRAINEES, {"do": "event", "kind": "check", "chapter": 1, "detail": {"n": float("nan")}}),
    (OF_TRAINEES, {"do": "event", "kind": "check", "chapter": 1, "detail": {"n": "x" * 201}}),
    (OF_TRAINEES, {"do": "event", "kind": "check", "chapter": 1, "detail": {"n": "\ud800"}}),
    (OF_TRAINEES, {"do": "event", "kind": "check", "chapter": 1, "detail": {"\ud800": 1}}),
    (
        OF_TRAINEES,
        {"do": "event", "kind": "check", "chapter": 1, "detail": dict.fromkeys("abcdefghi", 1)},
    ),
    (OF_INSTRUCTORS, {"do": "goto", "trainees": [], "chapter": 1}),
    (OF_INSTRUCTORS, {"do": "goto", "trainees": "everybody", "chapter": 1}),
    (OF_INSTRUCTORS, {"do": "say", "trainees": "all", "text": " "}),
    (OF_INSTRUCTORS, {"do": "say", "trainees": "all", "text": "x" * (MOST_TEXT + 1)}),
    (OF_INSTRUCTORS, {"do": "machine", "trainee": "../t01", "verb": "up"}),
    (OF_INSTRUCTORS, {"do": "machine", "trainee": "t01", "verb": "down"}),
)


@pytest.mark.parametrize(("table", "request_"), GOOD)
def test_what_is_asked_arrives(table: Table, request_: dict[str, object]) -> None:
    """Verb and arguments, as they were sent."""
    found = parse(json.dumps(request_).encode(), table)
    assert {"do": found.do, **found.arguments} == request_


@pytest.mark.parametrize(("table", "request_"), BAD)
def test_what_is_no_request_is_refused(table: Table, request_: object) -> None:
    """Nothing that the table does not name gets past it, whatever its type."""
    with pytest.raises(BadRequest):
        parse(json.dumps(request_).encode(), table)


@pytest.mark.parametrize(
    "line", [b"", b"{", b"\xff\xfe", b"[" * 10000, b'{"do":"up"}{', b"1" * 5000]
)
def test_what_is_no_json_is_refused(line: bytes) -> None:
    """Also what makes the reader of JSON itself give up."""
    with pytest.raises(BadRequest):
        parse(line, OF_TRAINEES)


def test_an_error_arrives_as_what_it_was() -> None:
    """With its next step; a kind that others must tell apart stays that kind."""
    with pytest.raises(NotUp, match="no machine") as down:
        decode(refusal(NotUp("no machine", "lab up")))
    assert down.value.next_step == "lab up"
    with pytest.raises(LabError, match="full"):
        decode(refusal(LabError("full")))


@pytest.mark.parametrize("line", [b"{", b"[]", b"null"])
def test_an_answer_that_is_none_is_an_error(line: bytes) -> None:
    """A client never works on with it."""
    with pytest.raises(LabError):
        decode(line)

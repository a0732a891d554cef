"""Words, strings, marks and their places."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meta1.config.lexer import Kind, lex


def texts(source: str) -> list[str]:
    tokens, faults = lex(source, "f")
    assert not faults
    return [each.text for each in tokens[:-1]]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("port = 25;", ["port", "=", "25", ";"]),
        ("port=25;#x\n", ["port", "=", "25", ";"]),
        ("a{b=c,d}", ["a", "{", "b", "=", "c", ",", "d", "}"]),
        ("8bitmime /var/imap 127.0.0.1 ::1", ["8bitmime", "/var/imap", "127.0.0.1", "::1"]),
        ('"a b" "c"', ["a b", "c"]),
        (r'"\"\\\n\t\x41\101"', ['"\\\n\tAA']),
        ('"one \\\ntwo"', ["one two"]),
        ('""', [""]),
        ("", []),
        ("# nothing", []),
    ],
)
def test_tokens(source: str, expected: list[str]) -> None:
    """Each source gives exactly these tokens."""
    assert texts(source) == expected


def test_places_count_from_one() -> None:
    """Lines and columns are those an editor shows."""
    tokens, _ = lex('a\n\n  b = "x\ty";\n', "f")
    assert [str(each.place) for each in tokens] == [
        "f:1:1", "f:3:3", "f:3:5", "f:3:7", "f:3:12", "f:4:1",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("source", "place", "message"),
    [
        ('a = "x;\nb = 1;', "f:1:5", "string is not closed on its line"),
        ('a = "x', "f:1:5", "string is not closed on its line"),
        ("a\x00b", "f:1:2", "character '\\x00' may not stand here"),
        (r'a = "\0";', "f:1:5", "a string may not hold a NUL character"),
    ],
)
def test_faults(source: str, place: str, message: str) -> None:
    """What is no token is a fault at its place."""
    _, faults = lex(source, "f")
    assert (str(faults[0].place), faults[0].message) == (place, message)


@given(st.text())
def test_any_text_can_be_cut(source: str) -> None:
    """No text breaks the lexer; the last token is the end."""
    tokens, _ = lex(source, "f")
    assert tokens[-1].kind is Kind.END

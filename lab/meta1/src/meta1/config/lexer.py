"""Cut the text of a configuration file into words, strings and marks, each with its place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from meta1.config.errors import Fault, Place


class Kind(Enum):
    """What a token is; the value is the way a fault names it."""

    WORD = "a word"
    STRING = "a quoted string"
    MARK = "a mark"
    END = "the end of the file"


@dataclass(frozen=True, slots=True)
class Token:
    """One token; ``text`` of a string is its value, escapes already replaced."""

    kind: Kind
    text: str
    place: Place

    def is_mark(self, mark: str) -> bool:
        """Whether this is the given one of ``{ } = , ;``."""
        return self.kind is Kind.MARK and self.text == mark

    def __str__(self) -> str:
        match self.kind:
            case Kind.END:
                return Kind.END.value
            case Kind.STRING:
                return f'"{shorten(self.text)}"'
            case _:
                return f"'{shorten(self.text)}'"


_TOKEN = re.compile(
    r"""(?P<blank>[ \t\r\n\f\v]+ | \#[^\n]*)
      | (?P<mark>[{}=,;])
      | "(?P<string>(?:[^"\\\n] | \\[\s\S])*)"
      | (?P<word>[^\s{}=,;"\#\x00-\x1f\x7f]+)
    """,
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{1,2}|[0-7]{1,3}|\n|[\s\S])")
_LETTERS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\n": ""}


def shorten(text: str) -> str:
    """At most 40 printable characters of a text that came from the file."""
    clean = "".join(each if each.isprintable() else f"\\x{ord(each):02x}" for each in text[:41])
    return clean if len(clean) <= 40 else clean[:37] + "..."


def lex(text: str, file: str) -> tuple[list[Token], list[Fault]]:
    """Cut ``text`` into tokens, the last of kind END, and note every place that is none."""
    faults: list[Fault] = []
    return list(_tokens(text, file, faults)), faults


def _tokens(text: str, file: str, faults: list[Fault]) -> Iterator[Token]:
    places = _Places(text, file)
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            at = _skip_bad(text, at, places.of(at), faults)
            continue
        place = places.of(at)
        at = match.end()
        if (mark := match["mark"]) is not None:
            yield Token(Kind.MARK, mark, place)
        elif (string := match["string"]) is not None:
            yield Token(Kind.STRING, _unescape(string, place, faults), place)
        elif (word := match["word"]) is not None:
            yield Token(Kind.WORD, word, place)
    yield Token(Kind.END, "", places.of(len(text)))


def _skip_bad(text: str, at: int, place: Place, faults: list[Fault]) -> int:
    """Note what stands at a place where no token begins; says where to go on."""
    if text[at] != '"':
        faults.append(Fault(place, f"character {text[at]!r} may not stand here"))
        return at + 1
    faults.append(Fault(place, "string is not closed on its line", 'a closing "'))
    # Up to a mark that may end the value, so that only this value is lost.
    end = re.compile(r"[;}\n]").search(text, at)
    return end.start() if end else len(text)


def _unescape(string: str, place: Place, faults: list[Fault]) -> str:
    """Replace the escapes of C: one letter, octal, or ``\\xHH``."""

    def replace(match: re.Match[str]) -> str:
        code = match[1]
        if len(code) > 1 and code[0] == "x":
            return chr(int(code[1:], 16))
        if code[0] in "01234567":
            return chr(int(code, 8) & 0xFF)
        return _LETTERS.get(code, code)

    value = _ESCAPE.sub(replace, string)
    if "\0" in value:
        faults.append(Fault(place, "a string may not hold a NUL character"))
    return value


class _Places:
    """Turns offsets, asked in rising order, into lines and columns."""

    def __init__(self, text: str, file: str) -> None:
        self._text, self._file = text, file
        self._line, self._start, self._seen = 1, 0, 0

    def of(self, offset: int) -> Place:
        new = self._text.count("\n", self._seen, offset)
        if new:
            self._line += new
            self._start = self._text.rindex("\n", self._seen, offset) + 1
        self._seen = offset
        return Place(self._file, self._line, offset - self._start + 1)

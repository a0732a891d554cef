"""From tokens to a tree of settings and sections: the shape of the language, not its names.

    file     := entry*
    entry    := setting | section
    setting  := NAME "=" ( value ";" | "{" [ value ("," value)* [","] ] "}" [";"] )
    section  := NAME [NAME] "{" entry* "}" [";"]
    value    := WORD | STRING+
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from meta1.config.errors import Fault, Place
from meta1.config.lexer import Kind, Token, lex, shorten

MAX_DEPTH = 16


@dataclass(frozen=True, slots=True)
class Value:
    """One value and its place; ``quoted`` tells "25" from 25."""

    text: str
    place: Place
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Setting:
    """``name = value;`` or ``name = { value, value }``."""

    name: str
    values: tuple[Value, ...]
    place: Place
    is_list: bool = False


@dataclass(frozen=True, slots=True)
class SectionTree:
    """``keyword [name] { entries }``; the file itself is one without keyword."""

    keyword: str
    name: str
    entries: tuple[Setting | SectionTree, ...]
    place: Place


class _Bad(Exception):
    """A fault already noted; the parser goes on behind the next ``;`` or ``}``."""


def parse(text: str, file: str) -> tuple[SectionTree, list[Fault]]:
    """Parse a whole file: what could be read of it, and every fault of its shape."""
    tokens, faults = lex(text, file)
    parser = _Parser(tokens, faults)
    tree = SectionTree("", "", parser.entries(0), Place(file, 1, 1))
    return tree, parser.faults


class _Parser:
    """Recursive descent, depth bounded, one token of look-ahead."""

    def __init__(self, tokens: list[Token], faults: list[Fault]) -> None:
        self._tokens = tokens
        self._at = 0
        self.faults = faults

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
        token = self._tokens[self._at]
        if token.kind is not Kind.END:
            self._at += 1
        return token

    def _fail(self, token: Token, expected: str) -> _Bad:
        self.faults.append(Fault(token.place, f"found {token}", expected))
        return _Bad()

    def _take_mark_if(self, mark: str) -> bool:
        if self._next.is_mark(mark):
            self._at += 1
            return True
        return False

    def entries(self, depth: int) -> tuple[Setting | SectionTree, ...]:
        """Entries up to the closing brace of this depth, which is taken too."""
        found: list[Setting | SectionTree] = []
        while True:
            if self._next.kind is Kind.END:
                if depth:
                    self._fail(self._next, "} to close the section")
                return tuple(found)
            if self._next.is_mark("}"):
                closing = self._take()
                if depth:
                    return tuple(found)
                self._fail(closing, "an option or a section")
                continue
            self._entry_or_skip(found, depth)

    def _entry_or_skip(self, found: list[Setting | SectionTree], depth: int) -> None:
        try:
            found.append(self._entry(depth))
        except _Bad:
            self._skip()

    def _skip(self) -> None:
        """Go to the end of the entry that could not be read: its ``;``, or its whole block."""
        depth = 0
        while self._next.kind is not Kind.END:
            if self._next.is_mark("}") and depth == 0:
                return
            token = self._take()
            depth += token.is_mark("{") - token.is_mark("}")
            if depth == 0 and (token.is_mark(";") or token.is_mark("}")):
                self._take_mark_if(";")
                return

    def _entry(self, depth: int) -> Setting | SectionTree:
        name = self._take()
        if name.kind is not Kind.WORD:
            raise self._fail(name, "the name of an option or a section")
        if self._take_mark_if("="):
            return self._setting(name)
        label = self._take().text if self._next.kind in (Kind.WORD, Kind.STRING) else ""
        opening = self._next
        if not self._take_mark_if("{"):
            raise self._fail(opening, f"= or {{ after '{shorten(label or name.text)}'")
        if depth >= MAX_DEPTH:
            raise self._fail(opening, f"at most {MAX_DEPTH} sections inside each other")
        entries = self.entries(depth + 1)
        self._take_mark_if(";")
        return SectionTree(name.text, label, entries, name.place)

    def _setting(self, name: Token) -> Setting:
        if self._take_mark_if("{"):
            return self._list_setting(name)
        value = self._value()
        if not self._take_mark_if(";"):
            raise self._fail(self._next, f"; after the value of '{shorten(name.text)}'")
        return Setting(name.text, (value,), name.place)

    def _list_setting(self, name: Token) -> Setting:
        values: tuple[Value, ...] = ()
        try:
            values = self._list()
        except _Bad:
            # The list's own brace must not be taken for the end of the section.
            while not (self._next.is_mark("}") or self._next.kind is Kind.END):
                self._take()
            self._take_mark_if("}")
        self._take_mark_if(";")
        return Setting(name.text, values, name.place, is_list=True)

    def _list(self) -> tuple[Value, ...]:
        values: list[Value] = []
        while not self._take_mark_if("}"):
            values.append(self._value())
            if not self._next.is_mark("}") and not self._take_mark_if(","):
                raise self._fail(self._next, ", or } in the list")
        return tuple(values)

    def _value(self) -> Value:
        first = self._next
        readers: dict[Kind, Callable[[], Value]] = {
            Kind.WORD: lambda: Value(self._take().text, first.place),
            Kind.STRING: self._strings,
        }
        if first.kind not in readers:
            raise self._fail(first, "a value")
        return readers[first.kind]()

    def _strings(self) -> Value:
        """Adjacent strings are one string, as in C."""
        first = self._take()
        parts = [first.text]
        while self._next.kind is Kind.STRING:
            parts.append(self._take().text)
        return Value("".join(parts), first.place, quoted=True)

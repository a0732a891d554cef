"""Kinds of values that are made of others: lists, words, flags, and what may be left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from meta1.config.errors import nearest
from meta1.config.kinds import BadValue, Single, ValueKind, escape, one_of, show_list
from meta1.config.parse import Value

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Maybe(Generic[T]):
    """A value that may be left out; ``absent`` says what happens then."""

    kind: ValueKind[T]
    absent: str = "not set"

    @property
    def expected(self) -> str:
        return self.kind.expected

    def read(self, values: Sequence[Value], is_list: bool) -> T | None:
        return self.kind.read(values, is_list)

    def show(self, value: object) -> str:
        return f"# {self.absent}" if value is None else self.kind.show(value)


@dataclass(frozen=True, slots=True)
class ListOf(Generic[T]):
    """A list of values of one kind; a single value may stand without braces."""

    kind: Single[T]
    absent: str = ""

    @property
    def expected(self) -> str:
        return f"a list, each {self.kind.expected}"

    def read(self, values: Sequence[Value], is_list: bool) -> tuple[T, ...]:
        found: list[T] = []
        for which, value in enumerate(values):
            try:
                found.append(self.kind.one(value.text))
            except BadValue as bad:
                raise BadValue(bad.expected, which, bad.near) from None
        return tuple(found)

    def show(self, value: object) -> str:
        assert isinstance(value, tuple)
        if not value and self.absent:
            return f"# {self.absent}"
        return show_list(self.kind.show(each) for each in value)


@dataclass(frozen=True, slots=True)
class Words:
    """Words given as one string with blanks between them, or as a list."""

    what: str = "words with blanks between them"
    upper: bool = False
    absent: str = ""

    @property
    def expected(self) -> str:
        return self.what

    def read(self, values: Sequence[Value], is_list: bool) -> tuple[str, ...]:
        words = tuple(word for value in values for word in value.text.split())
        if not words or any(not word.isprintable() for word in words):
            raise BadValue(self.expected)
        return tuple(word.upper() for word in words) if self.upper else words

    def show(self, value: object) -> str:
        assert isinstance(value, tuple)
        if not value and self.absent:
            return f"# {self.absent}"
        return '"' + escape(" ".join(value)) + '"'


NEGATIONS = ("dont_", "no_")


@dataclass(frozen=True, slots=True)
class Flags:
    """A set of flags: given ones are added to the default, ``dont_x`` takes one away."""

    known: Mapping[str, str]
    default: frozenset[str] = frozenset()

    @property
    def expected(self) -> str:
        return f"flags out of {', '.join(self.known)}"

    def read(self, values: Sequence[Value], is_list: bool) -> frozenset[str]:
        flags = set(self.default)
        for which, value in enumerate(values):
            name, wanted = self._split(value.text.lower())
            if name not in self.known:
                near = nearest(value.text, self.known)
                raise BadValue(one_of(self.known), which, near)
            (flags.add if wanted else flags.discard)(name)
        return frozenset(flags)

    def _split(self, text: str) -> tuple[str, bool]:
        for prefix in NEGATIONS:
            if text not in self.known and text.startswith(prefix):
                return text.removeprefix(prefix), False
        return text, True

    def show(self, value: object) -> str:
        assert isinstance(value, frozenset)
        off = sorted(f"dont_{each}" for each in self.default - value)
        return show_list([*sorted(value), *off])

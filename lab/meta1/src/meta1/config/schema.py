"""How a section is declared: a frozen dataclass whose fields are its options and sub-sections.

The declarations in ``meta1.config.sections`` are the one table that parsing, defaults, the output
of ``-VVVV``, the manual page and the reference of the book are all made from.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Any, TypeVar, cast

from meta1.config.errors import Place
from meta1.config.kinds import ValueKind

T = TypeVar("T")
S = TypeVar("S", bound="Section")


class Origin(Enum):
    """Where the name of an option comes from."""

    DOCUMENTED = "documented"
    """Named in a public document on MeTA1."""
    OURS = "ours"
    """Added by this implementation."""


DOCUMENTED, OURS = Origin.DOCUMENTED, Origin.OURS


class Count(Enum):
    """How often a section may stand in the section around it."""

    ONE = "once, or left out for the defaults"
    OPTIONAL = "once, or left out"
    MANY = "any number of times"
    NAMED = "any number of times, each with its own name"


@dataclass(frozen=True, slots=True)
class Option:
    """The declaration of one option."""

    spelling: str
    kind: ValueKind[object]
    origin: Origin
    meaning: str
    attribute: str
    default: object


@dataclass(frozen=True, slots=True)
class SubSection:
    """The declaration of a section inside another one."""

    keyword: str
    section: type[Section]
    count: Count
    origin: Origin
    meaning: str
    attribute: str


@dataclass(frozen=True, slots=True)
class Section:
    """Base of all sections: the label after the keyword, and where each thing was written."""

    label: str = ""
    place: Place | None = field(default=None, compare=False, repr=False)
    places: Mapping[str, Place] = field(
        default_factory=lambda: MappingProxyType({}), compare=False, repr=False
    )

    def is_set(self, attribute: str) -> bool:
        """Whether the file gives this option; otherwise its value is the default."""
        return attribute in self.places

    def where(self, attribute: str) -> Place:
        """Where the option stands, or else where its section begins."""
        return self.places.get(attribute) or self.place or Place("(defaults)", 1, 1)


def option(
    kind: ValueKind[T], default: T, origin: Origin, meaning: str, spelling: str = ""
) -> T:
    """Declare an option; ``spelling`` only where it is not the attribute's name."""
    metadata = {"option": (kind, origin, meaning, spelling)}
    return field(default=default, metadata=metadata)


def section(kind: type[S], origin: Origin, meaning: str, keyword: str = "") -> S:
    """Declare a section that has its defaults when it is left out."""
    return cast(S, _section(kind, Count.ONE, origin, meaning, keyword, default_factory=kind))


def optional(kind: type[S], origin: Origin, meaning: str, keyword: str = "") -> S | None:
    """Declare a section whose absence means something: None."""
    return cast("S | None", _section(kind, Count.OPTIONAL, origin, meaning, keyword, default=None))


def many(
    kind: type[S], origin: Origin, meaning: str, keyword: str = "", named: bool = False
) -> tuple[S, ...]:
    """Declare a section that may stand several times."""
    count = Count.NAMED if named else Count.MANY
    return cast("tuple[S, ...]", _section(kind, count, origin, meaning, keyword, default=()))


def _section(
    kind: type[Section], count: Count, origin: Origin, meaning: str, keyword: str, **default: Any
) -> object:
    return field(metadata={"section": (kind, count, origin, meaning, keyword)}, **default)


def options_of(kind: type[Section]) -> Iterator[Option]:
    """The options of a section, in the order in which they are declared."""
    for each in dataclasses.fields(kind):
        if declared := each.metadata.get("option"):
            value_kind, origin, meaning, spelling = declared
            yield Option(
                spelling or each.name, value_kind, origin, meaning, each.name, each.default
            )


def sections_of(kind: type[Section]) -> Iterator[SubSection]:
    """The sections that may stand inside a section."""
    for each in dataclasses.fields(kind):
        if declared := each.metadata.get("section"):
            sub, count, origin, meaning, keyword = declared
            yield SubSection(keyword or each.name, sub, count, origin, meaning, each.name)

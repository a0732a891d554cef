"""From the tree of a file to typed sections, guided by the declarations; notes every fault."""

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType
from typing import Any, TypeVar

from meta1.config.errors import Fault, Place, nearest
from meta1.config.kinds import NAME, BadValue
from meta1.config.lexer import shorten
from meta1.config.parse import SectionTree, Setting
from meta1.config.schema import Count, Option, Section, SubSection, options_of, sections_of

S = TypeVar("S", bound=Section)

MAX_HINTS = 50
"""Faults that name what would have been right; a file that is no configuration has thousands."""


class Builder:
    """Builds sections and adds what is wrong with them to ``faults``."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = faults
        self._labels: dict[tuple[int, str, str], Place] = {}

    def build(self, kind: type[S], tree: SectionTree, **more: Any) -> S:
        """One section; where a value is wrong, the default takes its place."""
        options = {each.spelling.lower(): each for each in options_of(kind)}
        sections = {each.keyword.lower(): each for each in sections_of(kind)}
        known = [each.spelling for each in options.values()]
        keywords = [each.keyword for each in sections.values()]
        values: dict[str, Any] = {}
        places: dict[str, Place] = {}
        found: dict[str, list[Section]] = {}
        for entry in tree.entries:
            if isinstance(entry, Setting):
                self._setting(entry, options, [*known, *keywords], tree, values, places)
            else:
                self._section(entry, sections, [*keywords, *known], tree, found, places)
        for declared in sections.values():
            if declared.attribute in found:
                every = tuple(found[declared.attribute])
                many = declared.count in (Count.MANY, Count.NAMED)
                values[declared.attribute] = every if many else every[0]
        return kind(
            label=tree.name, place=tree.place, places=MappingProxyType(places), **values, **more
        )

    def _setting(
        self, entry: Setting, options: dict[str, Option], known: Iterable[str],
        tree: SectionTree, values: dict[str, Any], places: dict[str, Place],
    ) -> None:  # fmt: skip
        declared = options.get(entry.name.lower())
        if declared is None:
            self._unknown("option", entry.name, entry.place, tree, known)
            return
        if declared.attribute in places:
            self._twice(entry.name, entry.place, places[declared.attribute])
            return
        places[declared.attribute] = entry.place
        try:
            values[declared.attribute] = declared.kind.read(entry.values, entry.is_list)
        except BadValue as bad:
            self._bad_value(entry, declared, bad)

    def _bad_value(self, entry: Setting, declared: Option, bad: BadValue) -> None:
        if bad.which < len(entry.values):
            value = entry.values[bad.which]
            message = f"{declared.spelling} may not be '{shorten(value.text)}'"
            self.faults.append(Fault(value.place, message, bad.expected, bad.near))
        else:
            message = f"{declared.spelling} has no value"
            self.faults.append(Fault(entry.place, message, bad.expected))

    def _section(
        self, entry: SectionTree, sections: dict[str, SubSection], known: Iterable[str],
        tree: SectionTree, found: dict[str, list[Section]], places: dict[str, Place],
    ) -> None:  # fmt: skip
        declared = sections.get(entry.keyword.lower())
        if declared is None:
            self._unknown("section", entry.keyword, entry.place, tree, known)
            return
        seen = found.setdefault(declared.attribute, [])
        if seen and declared.count in (Count.ONE, Count.OPTIONAL):
            self._twice(entry.keyword, entry.place, places[declared.attribute])
        places.setdefault(declared.attribute, entry.place)
        self._label(entry, declared, tree)
        seen.append(self.build(declared.section, entry))

    def _label(self, entry: SectionTree, declared: SubSection, tree: SectionTree) -> None:
        if not entry.name:
            if declared.count is Count.NAMED:
                self.faults.append(Fault(entry.place, f"{entry.keyword} has no name", "a name"))
            return
        try:
            NAME.one(entry.name)
        except BadValue as bad:
            message = f"'{shorten(entry.name)}' cannot name a section"
            self.faults.append(Fault(entry.place, message, bad.expected))
        first = self._labels.setdefault((id(tree), declared.attribute, entry.name), entry.place)
        if first is not entry.place:
            self._twice(f"{entry.keyword} {entry.name}", entry.place, first)

    def _twice(self, name: str, place: Place, first: Place) -> None:
        message = f"'{shorten(name)}' is given twice, first in line {first.line}"
        self.faults.append(Fault(place, message))

    def _unknown(
        self, what: str, name: str, place: Place, tree: SectionTree, known: Iterable[str]
    ) -> None:
        known = tuple(known) if len(self.faults) < MAX_HINTS else ()
        where = f" in {shorten(tree.keyword)}" if tree.keyword else ""
        near = nearest(name, known)
        expected = "" if near or not known else f"one of {', '.join(known)}"
        self.faults.append(
            Fault(place, f"no {what} '{shorten(name)}'{where}", expected, near)
        )

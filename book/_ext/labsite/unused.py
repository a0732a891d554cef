"""Leave out of a style sheet what no page of this site can use: two thirds of what themes bring.

A rule is kept unless one of the classes or ids it asks for is a word of no page and of no script. A script may put a
name together, from a beginning such as ``bs-tooltip-``: names that begin so are kept as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import tinycss2

WORD = re.compile(r"[\w-]+")
NOT_ASKED_FOR = re.compile(r":(?:not|is|where|has)\((?:[^()]|\([^()]*\))*\)|\[[^]]*\]")
"""Parts of a selector whose names an element need not have, or whose dots are no classes."""
NAME = re.compile(r"[.#]([\w-]+)(?![\w\\-])")
GROUPS = frozenset({"media", "supports", "layer", "container"})
"""Rules that hold rules."""


@dataclass(frozen=True, slots=True)
class Used:
    """The words of all pages and scripts, and the beginnings that scripts complete."""

    words: frozenset[str]
    beginnings: tuple[str, ...]

    def has(self, name: str) -> bool:
        """Whether an element of the site may have this class or id."""
        return name in self.words or name.startswith(self.beginnings)


def used(pages: Iterable[str], scripts: Iterable[str]) -> Used:
    """What the site has, from the text of its pages and scripts."""
    words: set[str] = set()
    for text in pages:
        words.update(WORD.findall(text))
    found = {word for text in scripts for word in WORD.findall(text)}
    beginnings = (word for word in found if word.endswith("-") and word.strip("-"))
    return Used(frozenset(words | found), tuple(sorted(beginnings)))


def without_unused(sheet: str, have: Used) -> str:
    """The style sheet without the selectors that match nothing; of its comments it keeps the licences (``/*!``)."""
    rules = tinycss2.parse_stylesheet(sheet, skip_whitespace=True)
    return "\n".join(_kept(rules, have))


def _kept(rules: Iterable[Any], have: Used) -> Iterator[str]:
    for rule in rules:
        if rule.type == "qualified-rule":
            if selectors := [each for each in _selectors(rule.prelude) if _may_match(each, have)]:
                yield f"{','.join(selectors)}{{{tinycss2.serialize(rule.content)}}}"
        elif rule.type == "at-rule" and rule.content and rule.lower_at_keyword in GROUPS:
            inner = tinycss2.parse_blocks_contents(rule.content, skip_whitespace=True)
            if kept := "".join(_kept(inner, have)):
                yield f"@{rule.at_keyword}{tinycss2.serialize(rule.prelude)}{{{kept}}}"
        elif rule.type != "comment" or rule.value.startswith("!"):
            yield rule.serialize()


def _selectors(prelude: Iterable[Any]) -> Iterator[str]:
    """The parts between commas; those within brackets are parts of one token."""
    part: list[Any] = []
    for value in prelude:
        if value == ",":
            yield tinycss2.serialize(part).strip()
            part = []
        else:
            part.append(value)
    yield tinycss2.serialize(part).strip()


def _may_match(selector: str, have: Used) -> bool:
    return all(have.has(name) for name in NAME.findall(NOT_ASKED_FOR.sub("", selector)))

"""Compares a cell's stored outputs with those of a run: pure, outputs in and a verdict out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import unified_diff
from typing import Any

from lab.drift.normalise import Normal, Rule, normalise


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a comparison found: `diff` is empty where both sides are the same."""

    same: bool
    diff: str
    masked: int
    total: int
    hits: Mapping[str, int]


Outputs = Iterable[Mapping[str, Any]]


def compare(
    stored: Outputs, fresh: Outputs, rules: Sequence[Rule], matcher: str = "same"
) -> Verdict:
    """Compare the outputs of one cell; hits and masked characters are those of the fresh side."""
    old, new = normalise(stored, rules), normalise(fresh, rules)
    same = old.blocks == new.blocks or MATCHERS[matcher](old.text, new.text)
    diff = "" if same else _diff(old, new, in_order=matcher != "lines")
    return Verdict(same, diff, new.masked, new.total, new.hits)


def _diff(old: Normal, new: Normal, in_order: bool) -> str:
    page, now = old.text.splitlines(), new.text.splitlines()
    if not in_order:
        page, now = sorted(page), sorted(now)
    return "\n".join(unified_diff(page, now, "on the page", "on the machine now", lineterm=""))


def _same(old: str, new: str) -> bool:
    return old == new


def _lines(old: str, new: str) -> bool:
    """The same lines, in any order."""
    return sorted(old.splitlines()) == sorted(new.splitlines())


def _contains(old: str, new: str) -> bool:
    """Every line of the page comes, in that order; others may stand between them."""
    rest = iter(new.splitlines())
    return all(line in rest for line in old.splitlines())


def _elided(old: str, new: str) -> bool:
    """A line ``...`` of the page stands for any lines, ``...`` within a line for anything there."""
    parts = [
        r"(?:.*\n)*?" if line.strip() == "..." else re.escape(line).replace(r"\.\.\.", ".*") + r"\n"
        for line in old.splitlines()
    ]
    return re.fullmatch("".join(parts), f"{new}\n") is not None


MATCHERS: dict[str, Callable[[str, str], bool]] = {
    "same": _same,
    "lines": _lines,
    "contains": _contains,
    "elided": _elided,
}
"""How a cell's output may differ from the page: named in its metadata as `drift.match`."""

"""Reads the rules of the drift check, from `rules.yml` and from a cell's own metadata."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lab.drift.normalise import Rule, mask
from lab.drift.notebooks import asked
from lab.errors import BadNotebook, LabError, UnknownName

RULES = Path(__file__).with_name("rules.yml")
_PLACEHOLDER = re.compile(r"<[a-z0-9-]+>")
_KEYS = {"name", "why", "pattern", "replace", "example", "opt_in"}


@dataclass(frozen=True, slots=True)
class RuleSet:
    """The project's rules in their order; some apply only to the cells that name them."""

    rules: tuple[Rule, ...]

    @property
    def names(self) -> list[str]:
        """Names of all the rules, in their order."""
        return [rule.name for rule in self.rules]

    def for_cell(self, cell: Mapping[str, Any], place: str) -> tuple[Rule, ...]:
        """The rules of one cell: those for all, then what its metadata asks for.

        `place` names the cell, in errors and in the accounts of the rules it brings along.
        """
        general = tuple(rule for rule in self.rules if not rule.opt_in)
        wanted = asked(cell).get("rules", [])
        return general + tuple(
            self._named(item) if isinstance(item, str) else _inline(item, f"{place}, rule {number}")
            for number, item in enumerate(wanted, 1)
        )

    def _named(self, name: str) -> Rule:
        for rule in self.rules:
            if rule.name == name:
                return rule
        raise UnknownName("rule", name, self.names)


def load(path: Path = RULES) -> RuleSet:
    """Read and try out the rules; one that cannot do what it says never gets to a notebook."""
    try:
        entries = yaml.safe_load(path.read_text()) or []
    except yaml.YAMLError as error:
        raise LabError(f"{path.name}: {' '.join(str(error).split())}") from error
    if not isinstance(entries, list):
        raise LabError(f"{path.name}: a list of rules is wanted", "start each with '- name:'")
    rules = tuple(_entry(entry, f"{path.name}, rule {i}") for i, entry in enumerate(entries, 1))
    names = [rule.name for rule in rules]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise LabError(f"{path.name}: two rules are named {twice!r}")
    return RuleSet(rules)


def _entry(entry: Any, place: str) -> Rule:
    if not isinstance(entry, dict):
        raise LabError(f"{place}: name, why, pattern, replace and example are wanted")
    if wrong := (_KEYS - {"opt_in"} - entry.keys()) | (entry.keys() - _KEYS):
        raise LabError(f"{place}: missing or not known: {', '.join(sorted(map(str, wrong)))}")
    try:
        rule = _rule(entry, entry["name"], entry["why"], bool(entry.get("opt_in", False)))
    except ValueError as error:
        raise LabError(f"{place} ({entry['name']}): {error}") from error
    if not mask(entry["example"], [rule]).hits:
        raise LabError(f"{place} ({rule.name}): leaves its own example as it is")
    return rule


def _inline(entry: Any, place: str) -> Rule:
    if not isinstance(entry, dict) or entry.keys() != {"pattern", "replace"}:
        raise BadNotebook(f"{place}: the name of a rule is wanted, or a pattern and its replace")
    try:
        return _rule(entry, place, "only in this cell", False)
    except ValueError as error:
        raise BadNotebook(f"{place}: {error}") from error


def _rule(entry: Mapping[str, Any], name: str, why: str, opt_in: bool) -> Rule:
    """A rule that leaves a visible mark and matches something; ValueError says what is wrong."""
    replace = str(entry["replace"])
    try:
        pattern = re.compile(entry["pattern"], re.MULTILINE)
        pattern.sub(replace, "")  # finds a reference to a group that is not there
    except (re.error, IndexError) as error:
        raise ValueError(f"pattern or replace: {error}") from error
    if not _PLACEHOLDER.search(replace) or replace != replace.strip():
        raise ValueError("replace: a <placeholder> in small letters is wanted, no blanks around")
    if pattern.search(""):
        raise ValueError("pattern: must not match where there is nothing")
    return Rule(name, why, pattern, replace, opt_in)

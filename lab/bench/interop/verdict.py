"""What became of one feature with one program, and tables of that. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lab.bench.results import Table

Found = Mapping[str, Sequence[tuple[str, str]]]
"""For each identity of a message, for each copy: what stands before it, and how it differs (programs/compare.py)."""
Report = Mapping[str, str]
"""Fields of a delivery status notification (programs/reports.py)."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`holds` is None where the program has no such feature; `note` is shown in the table."""

    holds: bool | None
    note: str

    def __str__(self) -> str:
        return f"NO: {self.note}" if self.holds is False else self.note


def yes(note: str = "yes") -> Verdict:
    """It holds."""
    return Verdict(True, note)


def no(note: str) -> Verdict:
    """It does not."""
    return Verdict(False, note[:160])


def lacks(why: str) -> Verdict:
    """The program has no such feature."""
    return Verdict(None, f"– ({why})")


def held(condition: bool, note: str, otherwise: str) -> Verdict:
    """It holds on a condition."""
    return yes(note) if condition else no(otherwise)


def unchanged(found: Found, idents: Iterable[str], traces: Sequence[str] = ()) -> Verdict:
    """Each message came once, octet by octet as it was sent, with these texts in what stands before it."""
    wrong = []
    names = list(idents)
    for ident in names:
        copies = found.get(ident, ())
        if len(copies) != 1:
            wrong.append(f"{ident}: {len(copies)} copies")
        elif copies[0][1]:
            wrong.append(f"{ident}: {copies[0][1]}")
        elif missing := [trace for trace in traces if trace not in copies[0][0]]:
            wrong.append(f"{ident}: no {missing[0]} in what came before it")
    some = f"{len(names)} of {len(names)}" if len(names) > 1 else "yes"
    return no("; ".join(wrong)) if wrong else yes(some)


@dataclass(frozen=True, slots=True)
class Feature:
    """A row of a table; `must` says what has to hold."""

    name: str
    must: str


Verdicts = Mapping[str, Mapping[str, Verdict]]
"""For each program, for each name of a feature."""


def matrix(caption: str, features: Iterable[Feature], found: Verdicts) -> Table:
    """A row for each feature, a column for each program."""
    rows = [
        [each.name, each.must, *(str(found[program].get(each.name, "–")) for program in found)]
        for each in features
    ]
    return Table(caption, ["", "what must hold", *found], rows)


def failures(found: Verdicts) -> list[str]:
    """What does not hold, in words."""
    return [
        f"{program}, {name}: {verdict.note}"
        for program, verdicts in found.items()
        for name, verdict in verdicts.items()
        if verdict.holds is False
    ]

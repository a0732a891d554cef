"""Run the proofs: on MeTA1 as it is, and on builds of it with a defence switched off, where they have to fail."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from lab.bench.edits import Change, Edit
from lab.bench.results import Table, store
from lab.bench.security import PROOFS
from lab.bench.security.proof import Proof, Refuted
from lab.bench.security.target import Target
from lab.chapters import chapter
from lab.errors import CheckFailed
from lab.lab import Lab
from lab.providers.base import Progress
from lab.session import Session

SHOWN = 110
"""Letters of what was seen that a table shows."""


@dataclass(frozen=True, slots=True)
class Break:
    """A proof and one way to switch its defence off."""

    proof: Proof
    way: str

    @property
    def changes(self) -> tuple[Change, ...]:
        """All that is changed for it."""
        return (*self.proof.stage, *self.proof.breaks[self.way])


def run(target: Target, proof: Proof, changes: Sequence[Change] = ()) -> int:
    """Attack MeTA1 with these changes; how many cases were tried. Raises `Refuted` if one gets through."""
    target.stand([*proof.stage, *changes])
    target.begin()
    return proof.run(target)


def breaks(proofs: Iterable[Proof] = PROOFS) -> list[Break]:
    """Every proof with each of its ways."""
    return [Break(proof, way) for proof in proofs for way in proof.breaks]


def together(proofs: Iterable[Proof] = PROOFS) -> list[list[Break]]:
    """The first way of each proof in a few builds, of each topic one proof in a build: others do not touch it."""
    groups: list[list[Break]] = []
    for proof in proofs:
        mine = Break(proof, next(iter(proof.breaks)))
        for group in groups:
            if not any(_clash(mine, other) for other in group):
                group.append(mine)
                break
        else:
            groups.append([mine])
    return groups


def _clash(one: Break, other: Break) -> bool:
    """Both are of one topic, change the same place differently, or one needs a stage that the other does not have."""
    if one.proof.run.__module__ == other.proof.run.__module__:
        return True
    places = {change.before: change for change in one.changes if isinstance(change, Edit)}
    same_place = [
        change
        for change in other.changes
        if isinstance(change, Edit) and places.get(change.before, change) != change
    ]
    return bool(same_place) or one.proof.stage != other.proof.stage


def changes_of(group: Iterable[Break]) -> list[Change]:
    """All changes of a build, each once."""
    return list(dict.fromkeys(change for each in group for change in each.changes))


def measure(lab: Lab, progress: Progress) -> dict[str, float]:
    """All proofs, then each way alone; the results are stored. Raises `CheckFailed` if one is not as it must be."""
    Session(lab, progress).goto(chapter("16-security-review"))
    target = Target(lab.host, is_full=True)
    try:
        target.arrange(progress)
        held = list(_held(target, progress))
        seen = list(_seen(target, progress))
    finally:
        target.leave()
    facts = {
        "proofs": len(held),
        "cases": sum(int(row[-1] or 0) for row in held),
        "breaks": len(seen),
    }
    store(
        "security-proofs",
        "lab bench security",
        tables={
            "proofs": Table(
                "Attacks, and what must hold",
                ("Proof", "Attack", "What must hold", "Reference", "Tool", "Cases"),
                held,
            ),
            "breaks": Table(
                "Each proof fails without its defence",
                ("Proof", "Switched off", "What was seen then"),
                seen,
            ),
        },
        facts=facts,
    )
    return {name: float(value) for name, value in facts.items()}


Row = tuple[str | int, ...]


def _held(target: Target, progress: Progress) -> Iterator[Row]:
    for proof in PROOFS:
        progress(proof.name)
        try:
            cases = run(target, proof)
        except Refuted as error:
            raise CheckFailed(proof.name, proof.holds, str(error), "lab/bench/security") from error
        yield proof.name, proof.attack, proof.holds, proof.reference, proof.tool, cases


def _seen(target: Target, progress: Progress) -> Iterator[Row]:
    for each in breaks():
        progress(f"{each.proof.name}: {each.way}")
        began = time.monotonic()
        try:
            run(target, each.proof, each.proof.breaks[each.way])
        except Refuted as error:
            text = " ".join(str(error).split())
            yield each.proof.name, each.way, text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
        else:
            raise CheckFailed(
                f"{each.proof.name} fails when {each.way}",
                "an attack that gets through",
                f"it holds, after {time.monotonic() - began:.0f} s",
                "lab/bench/security",
            )

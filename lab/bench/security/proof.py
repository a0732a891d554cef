"""What a proof is: an attack, what must hold, and the changes of MeTA1 with which it no longer holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from lab.bench.edits import Change
from lab.bench.security.target import Target


class Refuted(Exception):
    """The attack has worked: what must hold does not. The text says what was seen."""


@dataclass(frozen=True, slots=True)
class Proof:
    """One line of the table.

    `run` attacks and returns how many cases it has tried; it raises `Refuted` as soon as one gets through.
    `breaks` names each way to switch the defence off: with any of them the proof has to fail. `stage` are changes
    made in any case, because the defence stands behind another one that would hide it.
    """

    name: str
    attack: str
    holds: str
    reference: str
    tool: str
    run: Callable[[Target], int]
    breaks: Mapping[str, Sequence[Change]]
    stage: Sequence[Change] = field(default=())


def hold(condition: object, seen: object) -> None:
    """Raise `Refuted` with what was seen unless the condition is true."""
    if not condition:
        raise Refuted(str(seen))


def same(seen: object, wanted: object, what: object = "") -> None:
    """Raise `Refuted` unless both are equal."""
    hold(seen == wanted, f"{what}: {seen!r}, not {wanted!r}")

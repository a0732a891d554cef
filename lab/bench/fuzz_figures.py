"""Reports of the fuzzers as figures of the book. A target's inputs may come in pieces, each with a seed of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lab.bench import results
from lab.bench.fuzz import Report, Target
from lab.bench.results import Cell, Table
from lab.errors import LabError

NAME = "fuzz"
COMMAND = "lab bench fuzz --store"
MIB = 1 << 20
GROWTH, LEDGER = "growth of ", ("promised", "delivered")
Piece = Mapping[str, Any]
"""One report as it is stored: target, seed, inputs, seconds, growth, findings (how many), figures, day, commit."""


def store(targets: Sequence[Target], report: Report, more: bool = False) -> Path:
    """Store a report in place of what is stored of its target; with `more`, beside it."""
    order = {each.name: place for place, each in enumerate(targets)}
    old = [each for each in stored() if more or each["target"] != report.target]
    pieces = [each for each in (*old, _piece(report)) if each["target"] in order]
    pieces.sort(key=lambda each: order[each["target"]])
    return results.store(
        NAME, COMMAND, tables=tables(targets, pieces), facts=facts(pieces), series=pieces
    )


def stored() -> list[Piece]:
    """What is stored; nothing if there is nothing."""
    return list(results.load(NAME).series) if results.path_of(NAME).exists() else []


def require_other(targets: Sequence[Target], seed: int) -> None:
    """Raise `LabError` if this seed is stored of one of them: the same inputs do not count twice."""
    names = {each.name for each in targets}
    for each in stored():
        if each["target"] in names and each["seed"] == seed:
            raise LabError(f"seed {seed} of {each['target']} is stored already", "take another")


def _piece(report: Report) -> Piece:
    return {
        "target": report.target,
        "seed": report.seed,
        "inputs": report.runs,
        "seconds": round(report.seconds, 1),
        "growth": report.growth,
        "findings": len(report.findings),
        "figures": report.figures,
        "day": f"{datetime.now(UTC):%Y-%m-%d}",
        "commit": results.commit(),
    }


def tables(targets: Sequence[Target], pieces: Sequence[Piece]) -> dict[str, Table]:
    """What is fed, how much, what the live processes kept, and by which seeds it can be repeated."""
    fed = {each["target"] for each in pieces}
    return {
        "targets": Table(
            "What each target is fed, and what must hold.",
            ["target", "is fed", "what must hold"],
            [[each.name, each.feeds, each.holds] for each in targets if each.name in fed],
        ),
        "counts": Table(
            "How much was fed, and what came of it.",
            ["target", "inputs", "seconds", "inputs a second", "memory grew, MiB", "findings"],
            [
                _row(each.name, [one for one in pieces if one["target"] == each.name])
                for each in targets
                if each.name in fed
            ],
        ),
        "processes": Table(
            "The live processes: memory after 200 sessions, and what was added by the end.",
            ["process", "grew, MiB"],
            [[name, grown / MIB] for name, grown in _grown(pieces).items()],
        ),
        "pieces": Table(
            "Each run, which can be repeated by its seed.",
            ["target", "day", "inputs", "seed", "findings", "commit"],
            [
                [one[name] for name in ("target", "day", "inputs", "seed", "findings", "commit")]
                for one in pieces
            ],
        ),
    }


def facts(pieces: Sequence[Piece]) -> dict[str, Cell]:
    """Single figures for the prose: totals, the inputs of each target, and the mails of `live`."""
    names = dict.fromkeys(each["target"] for each in pieces)
    mails = {
        name: sum(each["figures"].get(f"mails {name}", 0) for each in pieces) for name in LEDGER
    }
    return {
        "inputs": _sum(pieces, "inputs"),
        "findings": _sum(pieces, "findings"),
        "targets": len(names),
        **{
            name: _sum([one for one in pieces if one["target"] == name], "inputs") for name in names
        },
        **mails,
    }


def _row(name: str, pieces: Sequence[Piece]) -> list[Cell]:
    inputs, seconds = _sum(pieces, "inputs"), sum(each["seconds"] for each in pieces)
    grew = max(each["growth"] for each in pieces) / MIB
    return [name, inputs, seconds, inputs / (seconds or 1), grew, _sum(pieces, "findings")]


def _grown(pieces: Sequence[Piece]) -> dict[str, int]:
    """What each process had grown by at the end of a run, the most of all runs."""
    found: dict[str, int] = {}
    for each in pieces:
        for name, grown in each["figures"].items():
            if name.startswith(GROWTH):
                process = name.removeprefix(GROWTH)
                found[process] = max(grown, found.get(process, 0))
    return found


def _sum(pieces: Sequence[Piece], name: str) -> int:
    return sum(each[name] for each in pieces)

"""The last runs of the drift check, kept in the tree: what pages and the badge say of each chapter comes from here.

One line of JSON a run in book/history.jsonl, the newest last. Only `lab drift --record` writes it, so that a run for
oneself leaves the tree as it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from lab.config import ROOT
from lab.drift.outcome import Outcome, Status
from lab.errors import LabError

PATH = ROOT / "book" / "history.jsonl"
BADGE = ROOT / "book" / "_static" / "drift-badge.svg"
GOOD: frozenset[Status] = frozenset({"same", "updated"})
KEPT = 40
"""Runs that the file keeps."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What ran them: the provider, the hash of the recipe of its image, versions as the machine tells them."""

    provider: str
    image: str
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Turn:
    """What became of one chapter: its result, in how many seconds, over how many code cells."""

    result: Status
    seconds: float
    cells: int


@dataclass(frozen=True, slots=True)
class Run:
    """One run: `date` is when it ended (ISO 8601, UTC), `chapters` has only those that really ran."""

    date: str
    commit: str
    machine: Machine
    chapters: Mapping[str, Turn]


def run_of(outcome: Outcome, machine: Machine, commit: str) -> Run:
    """What is worth keeping of an outcome. Raises `LabError` if no notebook of it ran."""
    ran = {
        each.name: Turn(each.status, round(each.seconds, 1), len(each.cells))
        for each in outcome.notebooks
        if each.status not in ("unchanged", "blocked")
    }
    if not ran:
        raise LabError("no notebook ran, so there is nothing to record", "run again with --force")
    return Run(datetime.now(UTC).isoformat(timespec="seconds"), commit, machine, ran)


def record(run: Run, path: Path = PATH) -> None:
    """Append a run, and drop what is too old to matter; the file is replaced whole."""
    runs = [*load(path), run][-KEPT:]
    new = path.with_suffix(".new")
    new.write_text("".join(json.dumps(asdict(each), ensure_ascii=False) + "\n" for each in runs))
    new.replace(path)


def load(path: Path = PATH) -> list[Run]:
    """All recorded runs, the oldest first; none if there is no such file. Raises `LabError` on a broken line."""
    if not path.is_file():
        return []
    return list(_parsed(path))


def _parsed(path: Path) -> Iterator[Run]:
    for number, line in enumerate(path.read_text().splitlines(), 1):
        try:
            data = json.loads(line)
            machine = Machine(**data.pop("machine"))
            turns = {name: Turn(**turn) for name, turn in data.pop("chapters").items()}
            yield Run(**data, machine=machine, chapters=turns)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise LabError(
                f"{path}:{number}: not a recorded run: {error}", "mend that line"
            ) from error


def last_of(chapter: str, runs: Sequence[Run], provider: str | None = None) -> Run | None:
    """The newest run of a chapter, on a certain provider if one is named."""
    for run in reversed(runs):
        if chapter in run.chapters and provider in (None, run.machine.provider):
            return run
    return None


def state(chapters: Sequence[str], runs: Sequence[Run]) -> tuple[str, bool]:
    """In a few words how these chapters stand by the newest run of each, and whether all is well."""
    last = {name: last_of(name, runs) for name in chapters}
    good = [name for name, run in last.items() if run and run.chapters[name].result in GOOD]
    oldest = min((run.date for run in last.values() if run), default="")[:10]
    said = f"{len(good)} of {len(last)} chapters verified"
    return (f"{said}, {oldest}" if oldest else said), len(good) == len(last)

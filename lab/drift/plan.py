"""Decides which notebooks run, and what a lab must be able to do for that.

A notebook that was the same before, at the same key, need not run. One that runs starts where the
one before it ended: in the saved state, or else that one runs first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lab.drift.outcome import NotebookResult, Progress
from lab.drift.rules import RuleSet
from lab.drift.stamps import Stamp, Stamps, stamp_key


class LabSession(Protocol):
    """What the check needs of a lab.

    Any method may raise `LabError`, which ends the run; `NoLab` and the like end it with 3.
    """

    def key(self, notebook: Path) -> str:
        """Hash of everything that makes the state at the end of that notebook; needs no lab."""

    def has(self, key: str) -> bool:
        """The state with that key is saved."""

    def environment(self, notebook: Path) -> Mapping[str, str]:
        """Variables of the kernel that runs that notebook, beside those of this process."""

    def enter(self, notebook: Path) -> None:
        """Put the machine into the state in which that notebook starts."""

    def leave(self, notebook: Path) -> None:
        """Save the state of the machine as the end state of that notebook."""


@dataclass(frozen=True, slots=True)
class Job:
    """One run of the check: what was asked for, and where things are."""

    lab: LabSession
    out: Path
    rules: RuleSet
    rules_path: Path
    stamps: Stamps
    update: bool
    force: bool
    progress: Progress

    def key(self, path: Path) -> str:
        """What a stamp of the notebook, as it is now, must carry."""
        return stamp_key(self.lab.key(path), path, self.rules_path)

    def proof(self, path: Path) -> Stamp | None:
        """The stamp that says the notebook need not run, if there is one."""
        return None if self.force else self.stamps.find(path.stem, self.key(path))


@dataclass(frozen=True, slots=True)
class Skip:
    """A notebook that was the same before, with nothing changed since."""

    path: Path
    stamp: Stamp

    @property
    def result(self) -> NotebookResult:
        """What was found then."""
        return NotebookResult(
            self.path.stem,
            "unchanged",
            message=f"unchanged, checked {self.stamp.checked}",
            checked=self.stamp.checked,
            masked=self.stamp.masked,
            total=self.stamp.total,
            hits=self.stamp.hits,
        )


@dataclass(frozen=True, slots=True)
class Go:
    """A notebook that runs: `wanted` by the user, or only so that a later one can start."""

    path: Path
    before: Path | None
    wanted: bool


def plan(notebooks: Sequence[Path], wanted: set[Path], job: Job) -> list[Skip | Go]:
    """What becomes of each notebook that is wanted or needed, in order."""
    steps: list[Skip | Go] = []
    needed = False  # the notebook after this one runs, and starts where this one ends
    for position, path in reversed(list(enumerate(notebooks))):
        must_run = needed and not job.lab.has(job.lab.key(path))
        found = None if must_run or path not in wanted else job.proof(path)
        needed = must_run or (path in wanted and not found)
        if found:
            steps.append(Skip(path, found))
        elif needed:
            steps.append(Go(path, notebooks[position - 1] if position else None, path in wanted))
    return steps[::-1]

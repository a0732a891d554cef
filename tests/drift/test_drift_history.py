"""Recorded runs: only what ran, in order, and never lost by a broken line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lab.cli.book import drift_badge
from lab.config import ROOT
from lab.drift.history import BADGE, KEPT, Machine, Run, Turn, last_of, load, record, run_of, state
from lab.drift.outcome import CellResult, NotebookResult, Outcome
from lab.errors import LabError

MACHINE = Machine("container", "0123456789ab", {"Debian": "12.5"})
RUN = Run("2026-01-01T10:00:00+00:00", "abc", MACHINE, {"01-a": Turn("same", 5.0, 9)})


def test_a_run_has_what_ran() -> None:
    """A chapter that was skipped or blocked is no run of it, one that drifted or failed is."""
    cell = CellResult(1, "c", "x", "same")
    outcome = Outcome(
        (
            NotebookResult("01-a", "same", 1.26, (cell,)),
            NotebookResult("02-b", "unchanged"),
            NotebookResult("03-c", "drift", 2.0, (cell, cell)),
            NotebookResult("04-d", "failed", 0.5),
            NotebookResult("05-e", "blocked"),
        )
    )
    assert run_of(outcome, MACHINE, "abc").chapters == {
        "01-a": Turn("same", 1.3, 1),
        "03-c": Turn("drift", 2.0, 2),
        "04-d": Turn("failed", 0.5, 0),
    }


def test_nothing_ran_is_nothing_to_record() -> None:
    """A run of nothing must not look like a verification."""
    with pytest.raises(LabError, match="nothing to record"):
        run_of(Outcome((NotebookResult("01-a", "unchanged"),)), MACHINE, "abc")


def test_runs_come_back_as_recorded(tmp_path: Path) -> None:
    """What was recorded is read again, the oldest first, and only so many are kept."""
    path = tmp_path / "history.jsonl"
    assert load(path) == []
    runs = [replace(RUN, commit=str(number)) for number in range(KEPT + 3)]
    for run in runs:
        record(run, path)
    assert load(path) == runs[3:]


def test_broken_line_is_named_and_kept(tmp_path: Path) -> None:
    """A line that is no run is an error with its place, and recording does not write over it."""
    path = tmp_path / "history.jsonl"
    path.write_text('{"date": 1}\n')
    with pytest.raises(LabError, match=r"history\.jsonl:1: not a recorded run"):
        record(RUN, path)
    assert path.read_text() == '{"date": 1}\n'


def test_last_run_of_a_chapter() -> None:
    """The newest run that has the chapter, on the provider that is asked for."""
    vm = replace(RUN, machine=replace(MACHINE, provider="vagrant"))
    other = replace(RUN, chapters={"02-b": Turn("same", 1.0, 1)})
    assert last_of("01-a", [RUN, vm, other]) is vm
    assert last_of("01-a", [RUN, vm, other], "container") is RUN
    assert last_of("03-c", [RUN, vm, other]) is None


def test_state_counts_chapters_whose_newest_run_is_good() -> None:
    """A chapter that drifted last, or never ran, is not verified; the date is that of the oldest newest run."""
    runs = [
        replace(RUN, chapters={"01-a": Turn("same", 1, 1), "02-b": Turn("same", 1, 1)}),
        replace(RUN, date="2026-02-02T00:00:00+00:00", chapters={"02-b": Turn("drift", 1, 1)}),
    ]
    assert state(["01-a", "02-b", "03-c"], runs) == ("1 of 3 chapters verified, 2026-01-01", False)
    assert state(["01-a"], runs) == ("1 of 1 chapters verified, 2026-01-01", True)
    assert state(["03-c"], []) == ("0 of 1 chapters verified", False)


def test_the_badge_says_what_the_recorded_runs_say() -> None:
    """As it lies in the tree and the README shows it: an old one would claim what no run has shown."""
    assert BADGE.read_text() == drift_badge(), "make fix"
    assert f"]({BADGE.relative_to(ROOT)})" in (ROOT / "README.md").read_text()

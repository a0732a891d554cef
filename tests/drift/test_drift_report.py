"""What a run tells: exit codes, accounts of the rules, and the three files."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import cast
from xml.etree import ElementTree as ET

import pytest
from nbformat import NotebookNode
from rich.console import Console

from lab.drift import report
from lab.drift.execute import Execution, Failure
from lab.drift.judge import judge, updated
from lab.drift.outcome import (
    CellFinished,
    CellResult,
    CellStarted,
    Event,
    NotebookFinished,
    NotebookResult,
    NotebookStarted,
    Outcome,
    Preparing,
    Status,
)
from lab.drift.page import as_node
from lab.drift.progress import shown
from lab.drift.rules import load

from .books import Cell, code

DRIFTED = CellResult(2, "c2", "cat x", "drift", 0.1, diff="-```one``` \x1b\n+two")
SAME = CellResult(1, "c1", "date", "same", 0.2, total=10)
DRIFT = NotebookResult("01-a", "drift", 0.3, (SAME, DRIFTED), total=20, masked=5)
FAILED = NotebookResult(
    "02-b", "failed", 1.0, (replace(SAME, status="failed", message="OSError: gone"),), "stopped"
)


def page(*cells: Cell) -> NotebookNode:
    """A notebook in memory, its cells named c1, c2 and so on."""
    named = [{"id": f"c{number}", **cell} for number, cell in enumerate(cells, 1)]
    return as_node({"cells": named, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def judged(
    clock: Path, stored: list[Cell], fresh: list[Cell], failure: Failure | None = None
) -> NotebookResult:
    """The verdict on a run that printed `fresh`."""
    run = Execution(page(*fresh), tuple(0.1 for _ in fresh), failure)
    return judge("01-a", page(*stored), run, load(clock))


@pytest.mark.parametrize(
    ("statuses", "error_code", "code"),
    [
        (["same", "unchanged", "updated"], 0, 0),
        (["same", "drift"], 0, 1),
        (["drift", "failed"], 0, 2),
        (["same", "blocked"], 0, 2),
        (["same"], 3, 3),
        (["drift"], 3, 3),
        (["failed"], 3, 2),
        ([], 2, 2),
    ],
)
def test_exit_codes(statuses: list[Status], error_code: int, code: int) -> None:
    """What failed outranks what could not run, and that outranks what drifted."""
    results = tuple(NotebookResult("01-a", status) for status in statuses)
    error = "there is no lab" if error_code else ""
    assert Outcome(results, error=error, error_code=error_code).exit_code == code


def test_a_dead_rule_fails_a_complete_run_only() -> None:
    """As long as a notebook is missing, the rule may be for that one."""
    hits = {"clock": 3, "01-a, cell c1, rule 1": 0}
    run = Outcome((NotebookResult("01-a", "same", hits=hits),), ("clock", "old"))
    assert (run.dead_rules, run.exit_code) == ([], 0)
    whole = replace(run, complete=True)
    assert whole.dead_rules == ["old", "01-a, cell c1, rule 1"]
    assert whole.exit_code == 1
    assert "rule old matched nothing" in report.text(whole)


def test_rules_that_hide_a_tenth_of_the_book_fail_it() -> None:
    """Said with its figure and the notebook to begin with; of one notebook alone more may be hidden."""
    heavy = NotebookResult("01-a", "same", masked=11, total=50)
    light = NotebookResult("02-b", "unchanged", total=50)
    whole = Outcome((heavy, light), complete=True)
    assert (whole.too_masked, whole.exit_code) == (True, 1)
    said = "rules hide 11.0% of all output, 10% at most: print less of what changes, 01-a has"
    assert said in report.text(whole)
    assert said in report.summary(whole)
    assert said.encode() in report.junit(whole)
    assert json.loads(report.as_json(whole))["too_masked"] is True
    assert replace(whole, complete=False).exit_code == 0
    just = Outcome((replace(heavy, masked=10), light), complete=True)
    assert (just.too_masked, just.exit_code) == (False, 0)


def test_a_cell_that_is_mostly_masked_fails(clock: Path) -> None:
    """Over 60 % hidden proves nothing, even where the rest is the same."""
    alone = judged(clock, [code("date", "10:00:00\n")], [code("date", "11:00:00\n")])
    (cell,) = alone.cells
    assert (alone.status, cell.status) == ("drift", "masked")
    assert "rules hide 100% of this output" in cell.message
    beside = judged(
        clock, [code("date", "it is 10:00:00 now\n")], [code("date", "it is 11:00:00 now\n")]
    )
    assert beside.status == "same"
    assert (beside.masked, beside.total) == (8, 18)


def test_each_cell_has_its_verdict(clock: Path) -> None:
    """Numbers count what ran; a reason goes with what was left out."""
    stored = [
        code("%%vm\ncat a", "a\n"),
        code("never()", tags=("skip-execution",)),
        code("random()", "1\n", tags=("drift-ignore",), reason="random on purpose"),
        code("users", "b\na\n", match="lines"),
        code("cat b", "b\n"),
    ]
    fresh = [code("", out) for out in ("a\n", "", "2\n", "a\nb\n", "c\n")]
    found = judged(clock, stored, fresh)
    assert [(cell.number, cell.status) for cell in found.cells] == [
        (1, "same"),
        (0, "skipped"),
        (2, "ignored"),
        (3, "same"),
        (4, "drift"),
    ]
    assert [cell.place for cell in found.wrong] == ["cell 4 [c5] cat b"]
    assert found.cells[2].message == "random on purpose"


def test_a_failure_ends_the_verdicts_and_says_how_to_go_on(clock: Path) -> None:
    """With the last lines that the cell printed."""
    stored = [code("one", "1\n"), code("two", "2\n"), code("three", "3\n")]
    fresh = [code("one", "1\n"), code("two", "connecting\n"), code("three")]
    failure = Failure(1, "timeout", "TimeoutError", "no end within 600 s")
    found = judged(clock, stored, fresh, failure)
    assert found.status == "failed"
    assert [cell.status for cell in found.cells] == ["same", "failed"]
    said = found.cells[1].message
    assert said.startswith("TimeoutError: no end within 600 s\n  | connecting\nlonger:")
    assert "stopped at cell 2 [c2] two" in found.message
    assert "lab drift 01-a" in found.message


def test_an_update_takes_what_drifted_and_nothing_else(clock: Path) -> None:
    """Cells that are the same, or ignored, keep all their bytes."""
    stored = page(
        code("date", "it is 10:00:00 now\n"),
        code("x", "1\n", tags=("drift-ignore",), reason="random"),
        code("cat", "10:00:00 one\n10:00:00 two\n"),
        code("users", "b\na\n", match="lines"),
    )
    outputs = ["it is 11:00:00 now\n", "2\n", "11:00:00 one\n11:00:00 three\n", "a\nb\n"]
    run = Execution(page(*[code("", out) for out in outputs]), (0.1,) * 4)
    new = updated("01-a", stored, run, load(clock))
    assert [cell.outputs[0].text for cell in new.cells] == [
        "it is 10:00:00 now\n",
        "1\n",
        "10:00:00 one\n11:00:00 three\n",
        "b\na\n",
    ]


def test_junit_is_what_a_ci_reads(tmp_path: Path) -> None:
    """A suite a notebook, a case a cell, in XML that any parser takes."""
    outcome = Outcome((DRIFT, FAILED), ("old",), complete=True, error="no lab", error_code=3)
    report.write(outcome, tmp_path)
    root = ET.parse(tmp_path / "junit.xml").getroot()
    counts = [[suite.get(key) for key in ("name", "tests", "failures", "errors")] for suite in root]
    assert counts == [
        ["01-a", "2", "1", "0"],
        ["02-b", "1", "0", "1"],
        ["rules", "2", "2", "0"],
        ["lab", "1", "0", "1"],
    ]
    failure = root.find(".//testcase[@name='cell 2 [c2] cat x']/failure")
    assert failure is not None
    assert failure.text == "-```one``` ?\n+two"


def test_an_update_is_no_failure_in_junit() -> None:
    """The page is right again."""
    (suite,) = ET.fromstring(report.junit(Outcome((replace(DRIFT, status="updated"),))))
    assert suite.get("failures") == "0"


def test_json_has_all_of_it() -> None:
    """Also what is worked out from the rest."""
    found = json.loads(report.as_json(Outcome((DRIFT,), ("clock",), complete=True)))
    assert found["exit_code"] == 1
    assert found["masked_share"] == 0.25
    assert found["rule_hits"] == {"clock": 0}
    assert found["notebooks"][0]["cells"][1]["diff"] == DRIFTED.diff


def test_the_summary_keeps_its_fences() -> None:
    """Backticks in an output do not end the block that shows it."""
    text = report.summary(Outcome((DRIFT, FAILED), ("old",), complete=True))
    assert "````diff\n-```one``` \x1b\n+two\n````" in text
    assert "| 01-a | DRIFT | 2 | 1 | 0.3 |" in text
    assert "| old | 0 (dead: remove it) |" in text
    assert "## 02-b: FAILED" in text


def test_the_terminal_gets_place_diff_and_verdict() -> None:
    """All that one needs to look at it."""
    text = report.text(Outcome((DRIFT, FAILED), seconds=1.34))
    assert "01-a, cell 2 [c2] cat x: drift\n  -```one``` \x1b\n  +two" in text
    assert text.endswith("2 notebooks in 1.3 s: 1 DRIFT, 1 FAILED, rules hide 25.0% of the output")


EVENTS: list[Event] = [
    Preparing("01-a"),
    NotebookStarted("01-a", 1, 2),
    CellStarted("01-a", 1, 2, "date [0]"),
    CellFinished("01-a", 1, 2, "date [0]", 0.2),
    CellStarted("01-a", 2, 2, "make"),
    CellFinished("01-a", 2, 2, "make", 12.34),
    NotebookFinished(DRIFT),
    NotebookFinished(NotebookResult("02-b", "unchanged", message="unchanged, checked today")),
]


def drawn(terminal: bool) -> str:
    """What a console shows of these events."""
    console = Console(file=StringIO(), force_terminal=terminal, width=100, color_system=None)
    with shown(console) as progress:
        for event in EVENTS:
            progress(event)
    return cast(StringIO, console.file).getvalue()


def test_without_a_terminal_progress_is_plain_lines() -> None:
    """Slow cells have a line, quick ones would only fill a log."""
    assert drawn(terminal=False).splitlines() == [
        "01-a: putting the lab where it starts",
        "01-a: notebook 1 of 2",
        "01-a: cell 2 of 2, 12.3 s: make",
        "01-a: drift (0.3 s, 1 cell to look at)",
        "02-b: unchanged, checked today",
    ]


def test_on_a_terminal_a_line_stays_for_each_notebook() -> None:
    """The rest is drawn over."""
    text = drawn(terminal=True)
    assert "01-a: drift (0.3 s, 1 cell to look at)" in text
    assert "02-b: unchanged, checked today" in text

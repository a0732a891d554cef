"""`lab bench fuzz`: what the fuzzers print becomes figures, and a run that dies is no clean one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.bench import fuzz, results
from lab.bench import fuzz_figures as figures
from lab.bench.fuzz import Amount, Lines, Report, Target
from lab.errors import LabError

TARGETS = [Target("a", "bytes", "no crash", 10, 100), Target("live", "mail", "arrives", 1, 10)]
REPORT: dict[str, Any] = {
    "target": "a",
    "seed": 3,
    "runs": 5,
    "seconds": 2.0,
    "growth": 1 << 20,
    "findings": [],
    "figures": {},
}


class Machine:
    """Prints what a fuzzer would."""

    def __init__(self, said: str) -> None:
        self.said = said
        self.command = ""

    def stream(
        self, command: str, *args: object, on_output: Callable[[str], None], **more: Any
    ) -> None:
        """Hand over the text in pieces that end anywhere."""
        self.command = command % args
        for place in range(0, len(self.said), 7):
            on_output(self.said[place : place + 7])


def test_report_is_found_between_progress() -> None:
    """The line of JSON is the report; progress is shown as it comes."""
    shown: list[str] = []
    machine = Machine(f"... half way\n{json.dumps(REPORT)}\n  at run.py\n")
    report = fuzz.fuzz(machine, "a", Amount(short=True), 3, shown.append)  # type: ignore[arg-type]
    assert report == Report(**REPORT) and report.rate == 2.5
    assert shown == ["half way"]
    assert machine.command.endswith("--target a --seed 3 --short")


def test_a_fuzzer_that_dies_is_a_finding() -> None:
    """Without a report there is no way to tell that nothing was found."""
    report = fuzz.fuzz(Machine("Traceback\nboom"), "a", Amount(), 1, print)  # type: ignore[arg-type]
    assert report.runs == 0 and "boom" in report.findings[0]["error"]


def test_amount() -> None:
    """Nothing said is the full form."""
    assert Amount().options() == []
    assert Amount(5, 2.5).options() == ["--runs", "5", "--seconds", "2.5"]


def test_lines_without_end() -> None:
    """The last line counts without its end."""
    lines = Lines(print)
    lines.take("a\nb")
    lines.end()
    assert lines.others == ["a", "b"]


LIVE = Report(
    "live", 3, 7, 1.0, 0, [{"error": "x"}], {"growth of qmgr": 2 << 20, "mails promised": 4}
)


def test_stored_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts add up, and the growth of the processes is a table of its own."""
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    figures.store(TARGETS, LIVE)
    figures.store(TARGETS, Report(**REPORT))
    found = results.load("fuzz")
    assert found.facts["inputs"] == 12 and found.facts["findings"] == 1
    assert found.facts["live"] == 7 and found.facts["promised"] == 4
    assert [list(row) for row in found.tables["processes"].rows] == [["qmgr", 2.0]]
    assert [row[0] for row in found.tables["targets"].rows] == ["a", "live"]


def test_a_run_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces with other seeds add up, the same seed is refused, and without `more` a target begins anew."""
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    figures.store(TARGETS, Report(**REPORT))
    figures.require_other(TARGETS, 4)
    figures.store(TARGETS, Report(**REPORT | {"seed": 4, "seconds": 3.0, "growth": 0}), more=True)
    found = results.load("fuzz")
    assert found.tables["counts"].rows == [["a", 10, 5.0, 2.0, 1.0, 0]]
    assert [row[3] for row in found.tables["pieces"].rows] == [3, 4]
    with pytest.raises(LabError, match="seed 4 of a is stored"):
        figures.require_other(TARGETS, 4)
    figures.store(TARGETS, Report(**REPORT))
    assert results.load("fuzz").facts["a"] == 5


def test_the_stored_totals_are_those_of_the_stored_pieces() -> None:
    """Who adds up the pieces of the book comes to the figures of the book."""
    found = results.load("fuzz")
    assert figures.facts(found.series) == found.facts

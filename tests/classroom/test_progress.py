"""The instructor's table, from what trainees did."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.classroom import events as store
from lab.classroom.events import MOST_EVENTS, Events, Wish
from lab.classroom.progress import Board, Cell, Event
from lab.errors import LabError

FAILED = {"passed": False}
PASSED = {"passed": True}
EXERCISE = {"exercise": True}
Steps = list[tuple[str, dict[str, bool]]]


def cell(steps: Steps) -> Cell:
    """The cell of a trainee who did that."""
    found = Cell()
    for kind, detail in steps:
        found = found.after(Event("2026-01-05T09:00:00+00:00", "t01", kind, 3, detail))
    return found


@pytest.mark.parametrize(
    ("steps", "wanted"),
    [
        ([], Cell()),
        ([("begun", {})], Cell("working")),
        ([("goto", {})], Cell("working")),
        ([("check", FAILED)], Cell("working", attempts=1)),
        ([("check", FAILED), ("check", PASSED)], Cell("passed", attempts=2)),
        ([("check", PASSED), ("check", PASSED)], Cell("passed", attempts=1)),
        ([("check", PASSED), ("begun", {})], Cell("passed", attempts=1)),
        ([("check", PASSED), ("check", FAILED)], Cell("passed", attempts=1)),
        ([("check", PASSED), ("reset", {})], Cell("working", attempts=1)),
        ([("check", PASSED), ("reset", {}), ("check", PASSED)], Cell("passed", attempts=2)),
        ([("hint", {}), ("hint", {})], Cell("working", hints=2)),
        ([("solve", {}), ("check", PASSED)], Cell("passed", attempts=1, solved=True)),
        ([("exercise", FAILED)], Cell(exercise="working")),
        ([("exercise", PASSED), ("exercise", FAILED)], Cell(exercise="passed")),
        ([("exercise", PASSED), ("reset", {})], Cell("working")),
        ([("hint", EXERCISE)], Cell(hints=1, exercise="working")),
        ([("solve", EXERCISE)], Cell(exercise="working")),
    ],
)
def test_a_cell_says_how_far_a_trainee_is(steps: Steps, wanted: Cell) -> None:
    """State, attempts until it passed, hints, whether the solution was run, and the exercise."""
    assert cell(steps) == wanted


def test_a_board_keeps_trainees_and_chapters_apart() -> None:
    """What one does in a chapter shows nowhere else."""
    board = Board([Event("2026-01-05T09:00:00+00:00", "t01", "check", 3, PASSED)])
    assert board.cells("t01", [3, 4])["3"]["state"] == "passed"
    assert board.cells("t01", [3, 4])["4"]["state"] == "not begun"
    assert board.cells("t02", [3])["3"]["state"] == "not begun"
    assert (board.last("t01"), board.last("t02")) == ("2026-01-05T09:00:00+00:00", "")


def test_all_is_there_again_after_a_restart(tmp_path: Path) -> None:
    """Events, messages, wishes and servers, without the file having been closed."""
    path = tmp_path / "events.sqlite"
    first = Events(path)
    happened = Event(store.now(), "t01", "check", 3, {"passed": True, "failed": 0})
    first.add(happened)
    first.say(["t01", "t02"], "Fünf Minuten")
    first.want("t01", Wish("running", "end-03-x"))
    first.server("t01", True)
    first.server("t02", True)
    first.server("t02", False)
    second = Events(path)
    assert list(second.all()) == [happened]
    assert [m["text"] for m in second.messages("t02", 0)] == ["Fünf Minuten"]
    assert second.messages("t01", 1) == [] and second.messages("t03", 0) == []
    assert (second.wish("t01"), second.wish("t02")) == (
        Wish("running", "end-03-x"),
        Wish("absent", ""),
    )
    assert second.servers() == {"t01"}


def test_one_trainee_cannot_fill_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even over a restart; the others go on."""
    assert MOST_EVENTS >= 16 * 200
    monkeypatch.setattr(store, "MOST_EVENTS", 3)
    path = tmp_path / "events.sqlite"
    for _ in range(3):
        Events(path).add(Event(store.now(), "t01", "hint", 1))
    file = Events(path)
    with pytest.raises(LabError):
        file.add(Event(store.now(), "t01", "hint", 1))
    file.add(Event(store.now(), "t02", "hint", 1))

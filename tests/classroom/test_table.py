"""What the instructor's page says of a class, and its CSV file."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from lab.classroom.instructor.table import Place, as_csv, cell, changed, places, stand

FRESH = {"state": "not begun", "attempts": 0, "hints": 0, "solved": False, "exercise": "not begun"}


def table(**first: object) -> dict[str, Any]:
    """Two trainees and two chapters; `first` is how chapter 1 of the first stands."""
    people = [
        {"name": name, "full_name": full, "server": "running", "machine": "absent", "last": ""}
        for name, full in (("t1", "One, the first"), ("t2", "=2+3"))
    ]
    cells: list[dict[str, object]] = [{"1": {**FRESH, **first}}, {}]
    return {
        "chapters": [
            {"number": 1, "name": "01-the-lab", "title": "The lab"},
            {"number": 2, "name": "02-cyrus-imap", "title": "Cyrus IMAP"},
        ],
        "trainees": [
            {**each, "chapters": chapters} for each, chapters in zip(people, cells, strict=True)
        ],
    }


@pytest.mark.parametrize(
    ("chapter", "place"),
    [
        ({}, Place("not-begun", "", "", "not begun")),
        (
            {"state": "working", "attempts": 1},
            Place("working", "…", "1", "working, 1 check"),
        ),
        (
            {"state": "passed", "attempts": 2, "hints": 1, "exercise": "passed"},
            Place("passed", "✓", "2 ?1 ★", "passed, 2 checks, 1 hint, exercise passed"),
        ),
        (
            {"state": "passed", "attempts": 1, "solved": True, "exercise": "working"},
            Place(
                "passed", "✓", "1 S ☆", "passed, 1 check, solved by the solution, exercise working"
            ),
        ),
    ],
)
def test_a_cell_says_the_same_to_eyes_and_ears(chapter: dict[str, Any], place: Place) -> None:
    """The mark, what is beside it where there is room, and the words that are read out."""
    assert cell({**FRESH, **chapter}) == place


def test_a_chapter_that_the_broker_does_not_name_is_not_begun() -> None:
    """A new chapter of the book, for one."""
    assert stand(table()["trainees"][1], 2) == FRESH


def test_only_what_changed_is_sent() -> None:
    """A check of one trainee changes their cell, the chapter's sum and the line on top, and nothing else."""
    before, after = places(table()), places(table(state="passed", attempts=1))
    assert set(changed(before, after)) == {"cell-t1-1", "passed-1", "all"}
    assert after["passed-1"] == Place(mark="1", words="1 of 2 passed")
    assert after["all"].mark == "2 trainees, 2 logged in, 1 of 4 chapters passed"
    assert changed(after, after) == {}


def test_the_csv_file_has_a_line_for_each_trainee_and_chapter() -> None:
    """With nbgrader's names where it has the same; a comma stays in its place, a formula stays text."""
    lines = list(csv.DictReader(io.StringIO(as_csv(table(state="passed", attempts=3, hints=1)))))
    assert len(lines) == 4
    assert lines[0] == {
        "assignment": "01-the-lab",
        "student_id": "t1",
        "score": "1",
        "max_score": "1",
        "full_name": "One, the first",
        "title": "The lab",
        "state": "passed",
        "attempts": "3",
        "hints": "1",
        "solved": "0",
        "exercise": "not begun",
        "last_activity": "",
    }
    assert lines[3]["full_name"] == "'=2+3"
    assert (lines[3]["assignment"], lines[3]["score"]) == ("02-cyrus-imap", "0")

"""The journal of a lab: what was done in its chapters, and the hints that come one at a time."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from lab.chapters import Chapter, chapter
from lab.classroom import journal
from lab.classroom.report import report
from lab.cli import main
from lab.errors import CheckFailed
from lab.host import Host
from lab.lab import Lab


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """State of a lab called `mine`, outside a class."""
    monkeypatch.setenv("LAB_HOME", str(tmp_path))
    monkeypatch.setenv("LAB_NAME", "mine")
    monkeypatch.delenv("LAB_BROKER", raising=False)
    (tmp_path / "mine").mkdir()
    return tmp_path / "mine"


def test_events_are_kept_in_their_order() -> None:
    """As they were told."""
    report("begun", 1)
    report("check", 1, passed=False, missing=2)
    found = [(each.kind, each.chapter, dict(each.detail)) for each in journal.events()]
    assert found == [("begun", 1, {}), ("check", 1, {"passed": False, "missing": 2})]


def test_a_line_that_cannot_be_read_is_left_out(folder: Path) -> None:
    """A full disk may cut one, and somebody may write into the file."""
    report("begun", 1)
    with journal.path().open("a") as file:
        file.write('{"at": "now", "kind": "check", "cha\n[]\n{"at": 1}\n')
    report("begun", 2)
    assert [each.chapter for each in journal.events()] == [1, 2]


def test_without_a_lab_nothing_is_kept(folder: Path) -> None:
    """No folder appears for a lab that there is not; the command goes on."""
    folder.rmdir()
    report("begun", 1)
    assert journal.events() == []
    assert not folder.exists()


def test_the_hints_of_an_exercise_come_one_at_a_time(
    monkeypatch: pytest.MonkeyPatch, host: Host
) -> None:
    """Each call tells those before and one more, says how many there are, and stops at the last."""

    def undone(_: Host) -> None:
        raise CheckFailed("it", "done", "not done")

    module = type("Module", (), {"CHECKS": (), "EXERCISE": ("it is done", undone)})
    page = chapter("2").notebook.read_text()
    first = Chapter("02-cyrus-imap", chapter("2").notebook).exercise.task.hints
    assert len(first) > 1, page
    monkeypatch.setattr(Chapter, "_module", module)
    monkeypatch.setattr(Lab, "host", host)
    said = [
        CliRunner().invoke(main, ["hint", "2", "--exercise"]).output for _ in range(len(first) + 1)
    ]
    shown = [[hint in " ".join(text.split()) for hint in first] for text in said]
    assert shown == [[n <= call for n in range(len(first))] for call in range(len(first))] + [
        [True] * len(first)
    ]
    assert [f"hint {n + 1} of {len(first)}" in text for n, text in enumerate(said)] == [
        n + 1 < len(first) for n in range(len(said))
    ]
    assert journal.hints_of(journal.events()) == {2: len(first)}


def test_hints_of_a_chapters_checks_are_not_counted_as_the_exercises() -> None:
    """`lab hint 3` is about what the chapter misses."""
    report("hint", 3, exercise=False, number=1)
    assert journal.hints_of(journal.events()) == {}

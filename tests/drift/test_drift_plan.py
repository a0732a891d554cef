"""Which notebooks run, and what is remembered for that."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.drift.outcome import quiet
from lab.drift.plan import Go, Job, plan
from lab.drift.rules import load
from lab.drift.stamps import Stamp, Stamps

from .books import Book, FakeLab, code

NAMES = ["01-a", "02-b", "03-c"]


class Course:
    """Three notebooks, a lab, and the plan for them."""

    def __init__(self, book: Book, folder: Path, rules: Path) -> None:
        self.paths = [book(name, code(f"print('{name}')", "x")) for name in NAMES]
        self.lab = FakeLab(self.paths)
        self.job = self.open(folder, rules)

    def open(self, folder: Path, rules: Path, force: bool = False) -> Job:
        stamps = Stamps(folder / "stamps.json")
        return Job(self.lab, folder, load(rules), rules, stamps, False, force, quiet)

    def stamp(self, *numbers: int) -> None:
        for number in numbers:
            path = self.paths[number - 1]
            stamp = Stamp(self.job.key(path), "2026-11-22T20:00:00+00:00", 1.0, 1, 10, {"clock": 2})
            self.job.stamps.put(path.stem, stamp)

    def save(self, *numbers: int) -> None:
        for number in numbers:
            self.lab.leave(self.paths[number - 1])

    def steps(self, *wanted: int) -> str:
        """The plan in short: RUN it, run it (needed only), or -."""
        chosen = {self.paths[number - 1] for number in wanted or (1, 2, 3)}
        words = [
            ("RUN" if step.wanted else "run") if isinstance(step, Go) else "-"
            for step in plan(self.paths, chosen, self.job)
        ]
        return " ".join(words)


@pytest.fixture
def course(book: Book, tmp_path: Path, clock: Path) -> Course:
    """Three notebooks of which nothing is known."""
    return Course(book, tmp_path, clock)


def test_all_run_at_first(course: Course) -> None:
    """Nothing was checked before."""
    assert course.steps() == "RUN RUN RUN"


def test_nothing_runs_when_nothing_changed(course: Course) -> None:
    """All have their stamps."""
    course.stamp(1, 2, 3)
    assert course.steps() == "- - -"


def test_one_that_runs_starts_from_the_saved_state(course: Course) -> None:
    """Its predecessors stay where they are."""
    course.stamp(1, 2)
    course.save(1, 2)
    assert course.steps() == "- - RUN"


def test_without_a_saved_state_the_predecessors_run_too(course: Course) -> None:
    """Up to the nearest state that is there."""
    course.stamp(1, 2)
    course.save(1)
    assert course.steps() == "- RUN RUN"


def test_only_runs_what_the_one_needs(course: Course) -> None:
    """Others run for their state alone, or not at all."""
    assert course.steps(2) == "run RUN"
    course.save(1)
    assert course.steps(2) == "RUN"
    assert course.steps(1) == "RUN"


def test_the_first_notebook_changed_and_all_after_it_run(course: Course, book: Book) -> None:
    """Their states come from it."""
    course.stamp(1, 2, 3)
    course.save(1, 2, 3)
    book(NAMES[0], code("print('other')", "x"))
    assert course.steps() == "RUN RUN RUN"


def test_a_changed_output_concerns_its_notebook_alone(course: Course, book: Book) -> None:
    """It acts on nothing."""
    course.stamp(1, 2, 3)
    course.save(1, 2, 3)
    book(NAMES[1], code("print('02-b')", "edited by hand"))
    assert course.steps() == "- RUN -"


def test_another_machine_or_other_rules_void_all_stamps(course: Course, clock: Path) -> None:
    """Both decide the verdict."""
    course.stamp(1, 2, 3)
    course.lab.made_of = "image 2"
    assert course.steps() == "RUN RUN RUN"
    course.lab.made_of = "image 1"
    assert course.steps() == "- - -"
    clock.write_text(clock.read_text() + "\n# a comment may mean something to a reader\n")
    assert course.steps() == "RUN RUN RUN"


def test_force_runs_all(course: Course, tmp_path: Path, clock: Path) -> None:
    """Whatever is known."""
    course.stamp(1, 2, 3)
    course.job = course.open(tmp_path, clock, force=True)
    assert course.steps() == "RUN RUN RUN"


def test_stamps_outlive_the_process_and_a_broken_file(course: Course, tmp_path: Path) -> None:
    """A file that cannot be read only costs time."""
    course.stamp(1)
    stamp = Stamps(tmp_path / "stamps.json").find("01-a", course.job.key(course.paths[0]))
    assert stamp
    assert stamp.hits == {"clock": 2}
    (tmp_path / "stamps.json").write_text("{oops")
    assert not Stamps(tmp_path / "stamps.json").find("01-a", stamp.key)

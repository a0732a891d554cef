"""What a class has done so far: events folded into a table of trainees and chapters. Pure; knows no clock, no files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

State = Literal["not begun", "working", "passed"]


@dataclass(frozen=True, slots=True)
class Event:
    """What a trainee did in a chapter; `kind` is one of `protocol.EVENTS`, `at` ISO 8601 in UTC."""

    at: str
    trainee: str
    kind: str
    chapter: int
    detail: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cell:
    """How far one trainee is in one chapter."""

    state: State = "not begun"
    attempts: int = 0
    """Checks until it passed."""
    hints: int = 0
    solved: bool = False
    """The solution was run, not found."""
    exercise: State = "not begun"

    def after(self, event: Event) -> Cell:
        """The cell once that has happened, too."""
        of_exercise = bool(event.detail.get("exercise"))
        passed = bool(event.detail.get("passed"))
        begun: State = "passed" if self.state == "passed" else "working"
        match event.kind:
            case "check":
                attempts = self.attempts + (self.state != "passed")
                return replace(self, state="passed" if passed else begun, attempts=attempts)
            case "exercise":
                return replace(self, exercise="passed" if passed else _tried(self.exercise))
            case "hint" if of_exercise:
                return replace(self, hints=self.hints + 1, exercise=_tried(self.exercise))
            case "hint":
                return replace(self, state=begun, hints=self.hints + 1)
            case "solve" if of_exercise:
                return replace(self, exercise=_tried(self.exercise))
            case "solve":
                return replace(self, state=begun, solved=True)
            case "reset":
                return replace(self, state="working", exercise="not begun")
        return replace(self, state=begun)

    def shown(self) -> dict[str, object]:
        """As the broker's table has it."""
        return {
            "state": self.state,
            "attempts": self.attempts,
            "hints": self.hints,
            "solved": self.solved,
            "exercise": self.exercise,
        }


def _tried(before: State) -> State:
    return "passed" if before == "passed" else "working"


class Board:
    """The cells of all trainees. Events of one trainee come in their order."""

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self._cells: dict[tuple[str, int], Cell] = {}
        self._last: dict[str, str] = {}
        for event in events:
            self.add(event)

    def add(self, event: Event) -> None:
        """Take in what happened."""
        place = event.trainee, event.chapter
        self._cells[place] = self._cells.get(place, Cell()).after(event)
        self._last[event.trainee] = event.at

    def cells(self, trainee: str, chapters: Iterable[int]) -> dict[str, dict[str, object]]:
        """State of each chapter, by its number as text."""
        return {str(n): self._cells.get((trainee, n), Cell()).shown() for n in chapters}

    def last(self, trainee: str) -> str:
        """When a trainee was last heard of; empty if never."""
        return self._last.get(trainee, "")

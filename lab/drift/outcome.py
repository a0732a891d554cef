"""What a drift check tells: while it runs (events) and at its end (the outcome)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

CellStatus = Literal["same", "drift", "masked", "ignored", "skipped", "failed"]
Status = Literal["same", "drift", "updated", "unchanged", "failed", "blocked"]
DONE: frozenset[Status] = frozenset({"same", "drift", "updated", "unchanged"})
MOST_MASKED = 0.6
"""A cell of which rules hide more than this proves too little."""
MOST_MASKED_OVERALL = 0.1
"""The same for all output of the book; of one notebook alone more may be hidden."""


@dataclass(frozen=True, slots=True)
class CellResult:
    """One code cell: `number` counts the cells that ran, from 1, and is 0 for one that did not."""

    number: int
    cell_id: str
    line: str
    status: CellStatus
    seconds: float = 0.0
    message: str = ""
    diff: str = ""
    masked: int = 0
    total: int = 0
    hits: Mapping[str, int] = field(default_factory=dict)

    @property
    def too_masked(self) -> bool:
        """The rules hide so much of the output that comparing the rest means little."""
        return self.masked > MOST_MASKED * self.total

    @property
    def place(self) -> str:
        """How reports name the cell."""
        return f"cell {self.number or '-'} [{self.cell_id}] {self.line}"


@dataclass(frozen=True, slots=True)
class NotebookResult:
    """One notebook. `hits` has all rules of its cells, those that never matched included."""

    name: str
    status: Status
    seconds: float = 0.0
    cells: tuple[CellResult, ...] = ()
    message: str = ""
    checked: str = ""
    masked: int = 0
    total: int = 0
    hits: Mapping[str, int] = field(default_factory=dict)

    @property
    def wrong(self) -> list[CellResult]:
        """Cells that a maintainer must look at."""
        return [cell for cell in self.cells if cell.status in ("drift", "masked", "failed")]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The whole run. `error` says why it stopped early, and `error_code` how to end then."""

    notebooks: tuple[NotebookResult, ...]
    rules: tuple[str, ...] = ()
    seconds: float = 0.0
    complete: bool = False
    error: str = ""
    error_code: int = 0

    @property
    def hits(self) -> Mapping[str, int]:
        """How often each rule matched in the whole run, those that never did included."""
        counts = Counter(dict.fromkeys(self.rules, 0))
        for notebook in self.notebooks:
            counts.update(notebook.hits)
        return counts

    @property
    def dead_rules(self) -> list[str]:
        """Rules that match nothing any more; known only when every notebook had its turn."""
        return [rule for rule, count in self.hits.items() if not count] if self.complete else []

    @property
    def masked_share(self) -> float:
        """Part of all output that the rules hide."""
        total = sum(notebook.total for notebook in self.notebooks)
        return sum(notebook.masked for notebook in self.notebooks) / total if total else 0.0

    @property
    def too_masked(self) -> bool:
        """The rules hide too much of the book; known only when every notebook had its turn."""
        return self.complete and self.masked_share > MOST_MASKED_OVERALL

    @property
    def exit_code(self) -> int:
        """0 same, 1 drift, 2 a notebook failed, 3 no lab, where no notebook had failed before."""
        if any(notebook.status in ("failed", "blocked") for notebook in self.notebooks):
            return 2
        if self.error:
            return self.error_code
        drifted = any(notebook.status == "drift" for notebook in self.notebooks)
        return 1 if drifted or self.dead_rules or self.too_masked else 0


@dataclass(frozen=True, slots=True)
class Preparing:
    """The lab is being put into the state in which a notebook starts."""

    name: str


@dataclass(frozen=True, slots=True)
class NotebookStarted:
    """Notebook `number` of `of` begins."""

    name: str
    number: int
    of: int


@dataclass(frozen=True, slots=True)
class CellStarted:
    """Cell `number` of `of` runs now."""

    name: str
    number: int
    of: int
    line: str


@dataclass(frozen=True, slots=True)
class CellFinished:
    """That cell ended after `seconds`."""

    name: str
    number: int
    of: int
    line: str
    seconds: float


@dataclass(frozen=True, slots=True)
class NotebookFinished:
    """A notebook had its turn, whether it ran or not."""

    result: NotebookResult


Event = Preparing | NotebookStarted | CellStarted | CellFinished | NotebookFinished
Progress = Callable[[Event], None]


def quiet(_: Event) -> None:
    """Progress that nobody watches."""

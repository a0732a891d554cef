"""Shows a drift check as it runs: a live line with a clock on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress as Bars
from rich.progress import SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from lab.drift.outcome import (
    CellFinished,
    CellStarted,
    Event,
    NotebookFinished,
    NotebookResult,
    NotebookStarted,
    Preparing,
    Progress,
)

_COLOUR = {"same": "green", "unchanged": "green", "updated": "yellow"}
_SLOW = 1.0
"""Without a terminal only cells that took longer get a line of their own."""


@contextmanager
def shown(console: Console) -> Iterator[Progress]:
    """Give the callback that draws on this console."""
    if not console.is_terminal:
        yield lambda event: _plain(console, event)
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Bars(*columns, console=console, transient=True) as bars:
        yield _Live(bars)


def _plain(console: Console, event: Event) -> None:
    match event:
        case Preparing(name):
            _say(console, f"{name}: putting the lab where it starts")
        case NotebookStarted(name, number, of):
            _say(console, f"{name}: notebook {number} of {of}")
        case CellFinished(name, number, of, line, seconds) if seconds >= _SLOW:
            _say(console, f"{name}: cell {number} of {of}, {seconds:.1f} s: {line}")
        case NotebookFinished(result):
            _say(console, _verdict(result))


def _say(console: Console, line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def _verdict(result: NotebookResult) -> str:
    if result.status == "unchanged":
        return f"{result.name}: {result.message}"
    cells = len(result.wrong)
    more = f", {cells} cell{'s' * (cells > 1)} to look at" if cells else ""
    return f"{result.name}: {result.status} ({result.seconds:.1f} s{more})"


class _Live:
    """One line for what runs now; a finished notebook leaves a line above it."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._task: TaskID | None = None

    def __call__(self, event: Event) -> None:
        match event:
            case Preparing(name):
                self._now(f"{name}  putting the lab where it starts")
            case NotebookStarted(name, number, of):
                self._now(f"{name}  notebook {number} of {of}")
            case CellStarted(name, number, of, line):
                self._now(f"{name}  cell {number}/{of}  [dim]{escape(line[:60])}[/dim]")
            case NotebookFinished(result):
                self._clear()
                colour = _COLOUR.get(result.status, "red")
                self._bars.console.print(
                    f"[{colour}]{escape(_verdict(result))}[/]", highlight=False
                )

    def _now(self, line: str) -> None:
        self._clear()
        self._task = self._bars.add_task(line, total=None)

    def _clear(self) -> None:
        if self._task is not None:
            self._bars.remove_task(self._task)
            self._task = None

"""Does the drift check see a change of MeTA1's behaviour, and nothing else? Three changes, made on purpose.

MeTA1 as installed on the machine greets with one word more, takes its leave by another word, and gives one socket
another mode. Then the chapters from the first that uses it run. The cells that drift must be just those whose
stored output has such a text, and with the changes taken back in what was printed, every cell is as it was stored.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lab.bench.edits import Edit
from lab.chapters import chapter, chapters
from lab.config import state_dir
from lab.drift.compare import compare
from lab.drift.notebooks import IGNORE, asked, runs, tagged
from lab.drift.outcome import Event, NotebookResult, NotebookStarted, Outcome
from lab.drift.page import parse
from lab.drift.rules import RuleSet, load
from lab.drift.run import run
from lab.errors import CheckFailed, LabError
from lab.lab import Lab
from lab.providers.base import Progress
from lab.session import Session, environment

FIRST = 7
"""The chapter before which MeTA1 is installed."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """A change of one text in one file of MeTA1, and how an output tells it.

    `printed` finds the outputs that show what changes, and `undo` takes the change back in an output. Outputs
    are JSON text: a line of them ends at a backslash.
    """

    name: str
    file: str
    before: str
    after: str
    printed: str
    undo: Mapping[str, str]

    def prints(self, output: str) -> bool:
        """The output shows what changes."""
        return bool(re.search(self.printed, output))

    def undone(self, output: str) -> str:
        """The output as it is without the change."""
        for after, before in self.undo.items():
            output = re.sub(after, before, output)
        return output


MUTATIONS = (
    Mutation(
        "banner",
        "smtp/engine.py",
        "ESMTP {self.settings.product}",
        "ESMTP {self.settings.product} mutant",
        r"220 \S+ ESMTP MeTA1\.\d",
        {" mutant": ""},
    ),
    Mutation(
        "reply",
        "smtp/reply.py",
        '(221, "2.0.0", "Goodbye")',
        '(221, "2.0.0", "Farewell")',
        r"221 2\.0\.0 Goodbye",
        {"Farewell": "Goodbye"},
    ),
    Mutation(
        "mode",
        "qmgr.py",
        '"qmgr/control.sock"), tools.channel, mode=0o660',
        '"qmgr/control.sock"), tools.channel, mode=0o640',
        r"(srw-rw----|\b660\b)[^\\]*control\.sock",
        {
            r"srw-r-----(?=[^\\]*control\.sock)": "srw-rw----",
            r"\b640(?=[^\\]*control\.sock)": "660",
        },
    ),
)


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of which the output was compared. `stored` and `fresh` are its outputs as JSON text."""

    place: str
    drifted: bool
    stored: str
    fresh: str
    undone_is_same: bool


def drift_seen(lab: Lab, progress: Progress, last: int) -> dict[str, float]:
    """Count the cells up to chapter `last` that each change makes drift.

    Raises `CheckFailed` if others do, or if none does.
    """
    pages = [each.notebook for each in chapters() if FIRST <= each.number <= last]
    go = partial(Session(lab, progress).goto, chapter(pages[0].stem))
    return examine(lab, pages, go, progress)


def examine(
    lab: Lab, pages: Sequence[Path], go: Callable[[], object], progress: Progress
) -> dict[str, float]:
    """The same for these pages, which run one after the other from where `go` puts the lab."""

    def told(event: Event) -> None:
        if isinstance(event, NotebookStarted):
            progress(f"{event.name} with a changed MeTA1")

    out = state_dir() / "bench-mutations"
    try:
        with environment(LAB_NAME=lab.name):  # the notebooks' kernels ask it
            session = _Mutated(lab, pages[0], go)
            found = run(pages, lab=session, out=out, force=True, progress=told)
    finally:
        go()  # nobody goes on with a changed MeTA1
    failed = [
        f"{r.name}: {r.message}" for r in found.notebooks if r.status in ("failed", "blocked")
    ]
    if found.error or failed:
        raise LabError(
            "\n".join(filter(None, [*failed, found.error])), f"{out}/summary.md has more"
        )
    cells = list(_cells(found, pages, out / "executed", load()))
    for cell in cells:
        if shown := [each.name for each in MUTATIONS if _shows(cell, each)]:
            progress(f"{cell.place} drifts: {', '.join(shown)}")
    return {**accounts(cells), "seconds": found.seconds}


def accounts(cells: list[Cell]) -> dict[str, float]:
    """How many cells drift for each change, and how many do not drift. Raises `CheckFailed`."""
    wrong = [line for cell in cells for line in _wrong(cell)]
    counts = {each.name: sum(_shows(cell, each) for cell in cells) for each in MUTATIONS}
    wrong += [
        f"no cell shows the change of the {name}" for name, count in counts.items() if not count
    ]
    if wrong:
        raise CheckFailed("the right cells drift, and no others", "that", "\n".join(wrong))
    figures = {f"cells_{name}": float(count) for name, count in counts.items()}
    return {**figures, "cells_the_same": float(sum(not cell.drifted for cell in cells))}


def _shows(cell: Cell, mutation: Mutation) -> bool:
    """The change stands in what was printed, where there was the unchanged text before."""
    return mutation.prints(cell.stored) and mutation.undone(cell.fresh) != cell.fresh


def _wrong(cell: Cell) -> Iterator[str]:
    """What is not right about a cell's verdict."""
    prints = [each.name for each in MUTATIONS if each.prints(cell.stored)]
    if cell.drifted and not prints:
        yield f"{cell.place} drifts and prints nothing that was changed"
    if prints and not cell.drifted:
        yield f"{cell.place} prints the {' and the '.join(prints)}, and does not drift"
    if not cell.undone_is_same:
        yield f"{cell.place} says more than what was changed"


def _cells(found: Outcome, pages: Iterable[Path], ran: Path, rules: RuleSet) -> Iterator[Cell]:
    """All cells that were compared, with what was stored and what was printed."""
    results = {result.name: result for result in found.notebooks}
    for page in pages:
        yield from _cells_of(results[page.stem], page, ran / page.name, rules)


def _cells_of(result: NotebookResult, page: Path, ran: Path, rules: RuleSet) -> Iterator[Cell]:
    drifted = {cell.cell_id for cell in result.cells if cell.status == "drift"}
    stored = [cell for cell in parse(page).cells if runs(cell) and not tagged(cell, IGNORE)]
    # A notebook with nothing to look at is not kept: it printed what was stored.
    fresh = {cell.id: cell for cell in parse(ran).cells} if result.wrong else {}
    for cell in stored:
        place = f"{page.stem}, cell {cell.id}"
        printed = fresh[cell.id].outputs if fresh else cell.outputs
        text = json.dumps(printed)
        for each in MUTATIONS:
            text = each.undone(text)
        verdict = compare(
            cell.outputs,
            json.loads(text),
            rules.for_cell(cell, place),
            str(asked(cell).get("match", "same")),
        )
        yield Cell(
            place, cell.id in drifted, json.dumps(cell.outputs), json.dumps(printed), verdict.same
        )


class _Mutated:
    """A session in which the first chapter finds another MeTA1; the others go on from there."""

    def __init__(self, lab: Lab, first: Path, go: Callable[[], object]) -> None:
        self._lab = lab
        self._first = first
        self._go = go

    def key(self, notebook: Path) -> str:
        """No state of this run is saved, so any name will do."""
        return notebook.stem

    def has(self, _key: str) -> bool:
        """Each chapter goes on where the one before it ended."""
        return True

    def environment(self, _notebook: Path) -> dict[str, str]:
        """Nothing is remembered of this run, so a notebook may read what it will."""
        return {}

    def enter(self, notebook: Path) -> None:
        """Go to the first chapter and change MeTA1; a later one is entered only if one before it failed."""
        if notebook != self._first:
            raise LabError(f"{notebook.stem} does not run: the chapter before it failed")
        self._go()
        for each in MUTATIONS:
            Edit(each.file, each.before, each.after).make(self._lab.host)

    def leave(self, _notebook: Path) -> None:
        """Keep nothing."""

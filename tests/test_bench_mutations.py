"""The accounts of the mutation proof: right cells are told from wrong ones; MeTA1's code has what it changes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.bench import mutations
from lab.bench.mutations import MUTATIONS, Cell, accounts
from lab.config import ROOT
from lab.drift import rules
from lab.drift.outcome import CellResult, NotebookResult
from lab.errors import CheckFailed

BANNER = "S: 220 mail.lab.example ESMTP MeTA1.0.1.0\n"
LEAVE = "C: QUIT\nS: 221 2.0.0 Goodbye\n"
SOCKETS = "srw-rw---- meta1q qmgr/control.sock\nsrw-rw-rw- meta1q qmgr/smtps.sock\n"
NOW = {
    BANNER: BANNER.replace("\n", " mutant\n"),
    LEAVE: LEAVE.replace("Goodbye", "Farewell"),
    SOCKETS: SOCKETS.replace("rw----", "r-----"),
}


def cell(stored: str, fresh: str, place: str = "09-a, cell x", same: bool = True) -> Cell:
    """A cell that printed something; `same` says that it is as stored once the changes are undone."""
    outputs = [json.dumps([{"text": text}]) for text in (stored, fresh)]
    return Cell(place, stored != fresh, outputs[0], outputs[1], same)


ALL = [cell(before, now) for before, now in NOW.items()]


def found(*more: Cell) -> str:
    """What is said of the right cells together with these."""
    with pytest.raises(CheckFailed) as failure:
        accounts([*ALL, *more])
    return failure.value.found


def test_right_cells_are_counted() -> None:
    """Each change has its cells, also where one cell shows two of them, and the rest stays the same."""
    both = cell(BANNER + LEAVE, NOW[BANNER] + NOW[LEAVE])
    assert accounts([*ALL, both, cell("hello\n", "hello\n")]) == {
        "cells_banner": 2.0,
        "cells_reply": 2.0,
        "cells_mode": 1.0,
        "cells_the_same": 1.0,
    }


def test_wrong_cells_are_named() -> None:
    """One that drifts for no reason, one that hides a change, and one that says more than the change."""
    assert found(cell("a\n", "b\n", same=False)) == (
        "09-a, cell x drifts and prints nothing that was changed\n"
        "09-a, cell x says more than what was changed"
    )
    assert found(cell(BANNER, BANNER)) == "09-a, cell x prints the banner, and does not drift"
    assert found(cell(LEAVE, NOW[LEAVE] + "more\n", same=False)) == (
        "09-a, cell x says more than what was changed"
    )


def test_a_change_that_no_page_shows_proves_nothing() -> None:
    """The proof fails when the chapters stop to print what it changes."""
    with pytest.raises(CheckFailed, match="no cell shows the change of the mode"):
        accounts(ALL[:2])


@pytest.mark.parametrize(("before", "now"), NOW.items())
def test_a_change_can_be_undone(before: str, now: str) -> None:
    """By exactly one of them, in an output that has more lines; 640 of another file is left alone."""
    shown = json.dumps(f"640 other\n{now}-rw-r----- root notes\n")
    undone = [each.undone(shown) for each in MUTATIONS]
    assert [text for text in undone if text != shown] == [
        json.dumps(f"640 other\n{before}-rw-r----- root notes\n")
    ]


@pytest.mark.parametrize("each", MUTATIONS, ids=lambda m: m.name)
def test_the_code_has_what_is_changed(each: mutations.Mutation) -> None:
    """A mutation that no longer fits MeTA1 is found before a machine is made for it."""
    code = (ROOT / "lab/meta1/src/meta1" / each.file).read_text()
    assert code.count(each.before) == 1


def test_cells_come_from_the_run(tmp_path: Path) -> None:
    """What drifted is read from the executed copy; what carries the tag drift-ignore is not compared."""
    ran = tmp_path / "ran"
    ran.mkdir()
    for folder, text in ((tmp_path, LEAVE), (ran, NOW[LEAVE])):
        cells = [
            {"id": "a", "metadata": {}, "source": "say('QUIT')", "text": text},
            {"id": "b", "metadata": {}, "source": "1", "text": "1\n"},
            {"id": "c", "metadata": {"tags": ["drift-ignore"]}, "source": "2", "text": text},
        ]
        made = [
            {
                **{key: value for key, value in each.items() if key != "text"},
                "cell_type": "code",
                "execution_count": None,
                "outputs": [{"output_type": "stream", "name": "stdout", "text": each["text"]}],
            }
            for each in cells
        ]
        page = {"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        (folder / "09-a.ipynb").write_text(json.dumps(page))
    result = NotebookResult("09-a", "drift", cells=(CellResult(1, "a", "say", "drift"),))
    found = list(
        mutations._cells_of(result, tmp_path / "09-a.ipynb", ran / "09-a.ipynb", rules.load())
    )
    assert [(each.place, each.drifted, each.undone_is_same) for each in found] == [
        ("09-a, cell a", True, True),
        ("09-a, cell b", False, True),
    ]

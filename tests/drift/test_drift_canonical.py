"""The stored form of a notebook, and what must not be stored."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest

from lab.config import ROOT
from lab.drift.canonical import advice, canonical, canonicalise
from lab.drift.notebooks import code_key, first_line, pick
from lab.drift.page import read
from lab.errors import BadNotebook, LabError, UnknownName

from .books import Book, Cell, code

HOME = "/home/" + "ann/lab/x.py"
FIGURE = {"output_type": "display_data", "metadata": {"needs_background": "light"}}
RESULT = {"output_type": "execute_result", "metadata": {}, "execution_count": 9}
ERROR = {"output_type": "error", "ename": "OSError", "evalue": "gone\n  next: mend it"}


def change(path: Path, **metadata: Any) -> dict[str, Any]:
    """The notebook's JSON with more metadata, as an editor leaves it."""
    raw: dict[str, Any] = json.loads(path.read_text())
    raw["metadata"].update(metadata)
    return raw


def store(path: Path, raw: dict[str, Any]) -> None:
    """Write a notebook in a form of its own."""
    path.write_text(json.dumps(raw))


def test_the_canonical_form_is_stable(book: Book) -> None:
    """Written twice, also after nbformat wrote it, it has the same bytes."""
    path = book("01-a", code("1", {**RESULT, "data": {"text/plain": "1"}}), code("print(2)", "2\n"))
    first = path.read_bytes()
    assert not canonicalise(path)
    nbformat.write(nbformat.read(path, as_version=4), path)  # type: ignore[no-untyped-call]
    assert path.read_bytes() == first
    assert canonical(path) == []


def test_an_editors_traces_are_told_and_mended(book: Book) -> None:
    """Metadata, timing, counts and ids: each has a line, and all go."""
    path = book("01-a", code("print(1)", "1\n"), code("print(2)", "2\n"))
    first = path.read_bytes()
    raw = change(path, widgets={}, language_info={"name": "python", "version": "3.11.7"})
    raw["cells"][0]["metadata"] = {"execution": {"iopub.status.busy": "2026"}, "collapsed": True}
    raw["cells"][1]["execution_count"] = 7
    store(path, raw)
    told = "\n".join(canonical(path))
    for said in ("widgets", "language_info", "execution", "collapsed", "from first to last"):
        assert said in told
    assert canonicalise(path)
    assert path.read_bytes() == first


def test_ids_are_given_once_and_the_same_every_time(book: Book) -> None:
    """Missing and doubled ones are mended without chance."""
    path = book("01-a", code("a", "1"), code("b", "1"), code("b", "1"))
    raw = json.loads(path.read_text())
    del raw["cells"][0]["id"]
    raw["cells"][2]["id"] = raw["cells"][1]["id"]
    store(path, raw)
    assert [line for line in canonical(path) if "id" in line] == [
        "01-a.ipynb: cell 1 has no id (make fix mends it)",
        "01-a.ipynb: two cells have the id c2 (make fix mends it)",
    ]
    canonicalise(path)
    mended = path.read_bytes()
    store(path, raw)
    canonicalise(path)
    assert path.read_bytes() == mended
    ids = [cell["id"] for cell in json.loads(mended)["cells"]]
    assert len(set(ids)) == 3


def test_what_cannot_be_seen_in_json_is_told_too(book: Book) -> None:
    """Another indent, another order: git would show the whole file."""
    path = book("01-a", code("print(1)", "1\n"))
    store(path, json.loads(path.read_text()))
    assert canonical(path) == [
        "01-a.ipynb: is not written in its canonical form (make fix mends it)"
    ]


def test_counts_go_from_one_and_skip_what_does_not_run(book: Book) -> None:
    """Pages look as if read from top to bottom."""
    skipped = code("never()", tags=("skip-execution",))
    path = book("01-a", code("1", {**RESULT, "data": {"text/plain": "1"}}), skipped, code("2"))
    cells = json.loads(path.read_text())["cells"]
    assert [cell["execution_count"] for cell in cells] == [1, None, 2]
    assert cells[0]["outputs"][0]["execution_count"] == 1


def test_streams_are_joined_and_tracebacks_cut(book: Book) -> None:
    """One piece a stream; an error keeps its name and what it says."""
    error = {**ERROR, "traceback": ["\x1b[31m----", "File /usr/lib/python3.11/x.py"]}
    path = book("01-a", code("x", "a", "b\n", error))
    stream, shown = json.loads(path.read_text())["cells"][0]["outputs"]
    assert stream["text"] == ["ab\n"]
    assert shown["traceback"] == ["OSError: gone", "  next: mend it"]


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        (code("x", {**FIGURE, "data": {"application/javascript": "go()"}}), "javascript"),
        (code("x", {**FIGURE, "data": {"text/html": "<b onclick='go()'>x</b>"}}), "a script"),
        (code("x", {**FIGURE, "data": {"image/svg+xml": "<svg><script/></svg>"}}), "a script"),
        (
            code("x", {**FIGURE, "data": {"application/vnd.jupyter.widget-view+json": {}}}),
            "widget-view",
        ),
        (code("x", f"File {HOME}\n"), "/home/ann"),
        (code("x", "in /opt/v/lib/python3.11/site-packages/paramiko/a.py\n"), "site-packages"),
        (code("x", f"{ROOT}/lab/files\n"), "path of this host"),
        (code("x", "line\n" * 13), "13 lines of output"),
    ],
)
def test_outputs_that_must_not_be_stored(book: Book, cell: Cell, said: str) -> None:
    """Each is told with its cell."""
    (told,) = canonical(book("01-a", cell))
    assert told.startswith("01-a.ipynb: cell c1: ")
    assert said in told


@pytest.mark.parametrize(
    "cell",
    [
        code("x", {**FIGURE, "data": {"text/html": "<b>on = 1</b>", "image/png": "AAAA"}}),
        code("x", "/home/lab/meta1 on the machine\n"),
        code("x", "line\n" * 12),
        code("x", "line\n" * 13, long="the whole log is the point"),
    ],
)
def test_outputs_that_may_be_stored(book: Book, cell: Cell) -> None:
    """The machine's own paths, a picture, a long output with a reason."""
    assert canonical(book("01-a", cell)) == []


def test_advice_is_about_long_code(book: Book) -> None:
    """The magic line and empty lines do not count."""
    fine = code("%%vm\n\n" + "true\n" * 8)
    assert advice(book("01-a", fine, code("true\n" * 9))) == [
        "01-a.ipynb: cell c2: 9 lines of code, 8 at most: move logic to the lab package"
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "01-a.ipynb is no notebook: Expecting"),
        ("[]", "it has no cells"),
        ('{"nbformat": 3, "cells": []}', "format 3"),
        ('{"nbformat": 4, "cells": [], "metadata": {}}', "no code to run"),
        ('{"nbformat": 4, "cells": [{"cell_type": "code"}], "metadata": {}}', "no valid notebook"),
    ],
)
def test_a_broken_notebook_is_one_clear_line(tmp_path: Path, text: str, said: str) -> None:
    """Whatever is wrong with the file."""
    path = tmp_path / "01-a.ipynb"
    path.write_text(text)
    with pytest.raises(BadNotebook, match=said) as caught:
        read(path)
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        (code("x"), "has no outputs"),
        (code("x", "1", tags=("drift-ignore",)), "drift-ignore without a reason"),
        (code("x", "1", match="lyke"), "lyke"),
        (code("x", "1", matches="lines"), "drift knows only"),
        (code("x", "1", rules="clock"), "must be a list"),
    ],
)
def test_a_cell_that_asks_wrongly_is_told(book: Book, cell: Cell, said: str) -> None:
    """Before anything runs."""
    with pytest.raises(LabError, match=said):
        read(book("01-a", cell))


@pytest.mark.parametrize("seconds", ["soon", 0, -1, None])
def test_a_timeout_is_a_number_of_seconds(book: Book, seconds: Any) -> None:
    """Nothing else bounds a cell."""
    with pytest.raises(BadNotebook, match=r"drift\.timeout"):
        read(book("01-a", code("x", "1"), timeout=seconds))


def test_a_notebook_is_named_in_three_ways(tmp_path: Path) -> None:
    """By name, by path, by number; another name gets the nearest."""
    paths = [tmp_path / f"{name}.ipynb" for name in ("01-lab", "02-names", "03-keys")]
    assert pick(paths, ["03", "01-lab"]) == [paths[0], paths[2]]
    assert pick(paths, ["notebooks/02-names.ipynb"]) == [paths[1]]
    with pytest.raises(UnknownName, match="did you mean 02-names"):
        pick(paths, ["02-name"])


def test_the_code_key_is_about_what_acts(book: Book) -> None:
    """Outputs and metadata of the check leave it, code and tags change it."""
    key = code_key(book("01-a", code("print(1)", "1")))
    assert code_key(book("01-a", code("print(1)", "2", match="lines"))) == key
    assert code_key(book("01-a", code("print(2)", "1"))) != key
    assert code_key(book("01-a", code("print(1)", "1", tags=("raises-exception",)))) != key


def test_the_first_line_is_the_one_that_tells() -> None:
    """Not the magic that all shell cells begin with."""
    assert first_line("%%vm --as root\n\nsystemctl restart x\n") == "systemctl restart x"
    assert first_line("%%vm\n") == "%%vm"

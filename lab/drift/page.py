"""Reads a stored notebook to be checked, and tells at once what is wrong with it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4.rwbase import rejoin_lines

from lab.drift.compare import MATCHERS
from lab.drift.notebooks import IGNORE, asked, load, runnable, source, tagged, timeout
from lab.errors import BadNotebook, UnknownName

_CELL_KEYS = {"match", "rules", "reason", "long"}


def read(path: Path, needs_outputs: bool = True) -> NotebookNode:
    """Read a notebook and what it asks of this check; any flaw is a `BadNotebook` of one line."""
    notebook = parse(path)
    for cell in notebook.cells:
        _check_cell(path, cell)
    _check_timeout(path, notebook)
    code = [notebook.cells[index] for index in runnable(notebook.cells)]
    if not code:
        raise BadNotebook(f"{path.name} has no code to run")
    if needs_outputs and not any(cell.outputs for cell in code):
        raise BadNotebook(f"{path.name} has no outputs", f"lab drift --update {path.stem}")
    return notebook


def parse(path: Path) -> NotebookNode:
    """Read a notebook as nbformat would, but give a cell without an id the same one every time."""
    raw = load(path)
    fix_ids(raw["cells"])
    raw["nbformat_minor"] = 5
    notebook: NotebookNode = rejoin_lines(as_node(raw))  # type: ignore[no-untyped-call]
    try:
        nbformat.validate(notebook)
    except nbformat.ValidationError as error:
        first, *_ = str(error).splitlines()
        raise BadNotebook(f"{path.name} is no valid notebook: {first}") from error
    return notebook


def as_node(value: Mapping[str, Any]) -> NotebookNode:
    """The same value as nbformat holds it."""
    node: NotebookNode = nbformat.from_dict(value)  # type: ignore[no-untyped-call]
    return node


def fix_ids(cells: Iterable[dict[str, Any]]) -> None:
    """Give each cell without an id of its own one made from its text: the same at every run."""
    seen: set[str] = set()
    for cell in cells:
        name = cell.get("id")
        if not name or name in seen:
            name = base = hashlib.sha256(source(cell).encode()).hexdigest()[:8]
            count = 1
            while name in seen:
                count += 1
                name = f"{base}-{count}"
            cell["id"] = name
        seen.add(name)


def _check_cell(path: Path, cell: NotebookNode) -> None:
    place = f"{path.name}, cell {cell.id}"
    drift = asked(cell)
    if not isinstance(drift, dict) or not drift.keys() <= _CELL_KEYS:
        raise BadNotebook(f"{place}: metadata drift knows only {', '.join(sorted(_CELL_KEYS))}")
    if tagged(cell, IGNORE) and not str(drift.get("reason", "")).strip():
        wrong = f"{place}: tagged {IGNORE} without a reason"
        raise BadNotebook(wrong, "say why in its metadata: drift.reason")
    if (matcher := drift.get("match", "same")) not in MATCHERS:
        raise UnknownName(f"matcher of {place}", matcher, MATCHERS)
    if not isinstance(drift.get("rules", []), list):
        raise BadNotebook(f"{place}: drift.rules must be a list")


def _check_timeout(path: Path, notebook: NotebookNode) -> None:
    try:
        seconds = timeout(notebook)
    except (TypeError, ValueError, AttributeError) as error:
        raise BadNotebook(f"{path.name}: drift.timeout must be a number of seconds") from error
    if seconds <= 0:
        raise BadNotebook(f"{path.name}: drift.timeout must be more than 0 seconds")

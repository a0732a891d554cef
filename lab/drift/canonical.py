"""The one form in which a notebook is stored, so that git shows what changed and nothing else.

`tidy` makes it, `canonicalise` writes it, `canonical` lists what is wrong with a stored notebook
(the pre-commit hook), `advice` what could be better.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from lab.config import ROOT
from lab.drift.normalise import clean, normalise
from lab.drift.notebooks import asked, load, runnable
from lab.drift.page import as_node, parse

NOTEBOOK_KEYS = {"kernelspec", "language_info", "drift", "lab", "mystnb", "title"}
CELL_KEYS = {"drift", "lab", "mystnb", "tags"}
KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
LANGUAGE = {"name": "python", "pygments_lexer": "ipython3"}
MOST_CODE = 8
MOST_OUTPUT = 12
_ACTIVE_MIMES = ("javascript", "widget-view", "widget-state")
_SCRIPT = re.compile(r"<(?:script|iframe|object|embed)\b|\bon[a-z]+\s*=|javascript:", re.IGNORECASE)
_HOME = re.compile(r"/(?:home/(?!lab\b)|Users/)[^/\s'\"<>]+|\S*/(?:site|dist)-packages/\S*")


def tidy(notebook: NotebookNode) -> NotebookNode:
    """The notebook in its stored form; doing it again changes nothing."""
    new = deepcopy(notebook)
    new.nbformat, new.nbformat_minor = 4, 5
    kept = {key: value for key, value in new.metadata.items() if key in NOTEBOOK_KEYS}
    new.metadata = as_node({**kept, "kernelspec": KERNELSPEC, "language_info": LANGUAGE})
    for cell in new.cells:
        cell.metadata = _kept_metadata(cell.metadata)
        if cell.cell_type == "code":
            cell.execution_count = None
            cell.outputs = [_tidy_output(output) for output in joined(cell.outputs)]
    if any(cell.get("outputs") for cell in new.cells):
        for number, index in enumerate(runnable(new.cells), 1):
            _set_count(new.cells[index], number)
    return new


def joined(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """The outputs with the pieces of each stream put together where the first one stood."""
    result: list[NotebookNode] = []
    streams: dict[str, NotebookNode] = {}
    for output in outputs:
        if output.output_type != "stream":
            result.append(output)
        elif output.name in streams:
            streams[output.name].text += output.text
        else:
            streams[output.name] = deepcopy(output)
            result.append(streams[output.name])
    return result


def _kept_metadata(metadata: Mapping[str, Any]) -> NotebookNode:
    kept = {key: value for key, value in metadata.items() if key in CELL_KEYS and value}
    if "tags" in kept:
        kept["tags"] = sorted(set(kept["tags"]))
    return as_node(kept)


def _tidy_output(output: NotebookNode) -> NotebookNode:
    if output.output_type == "error":
        said = f"{output.ename}: {output.evalue}" if output.evalue else output.ename
        output.traceback = clean(said).split("\n")
    elif output.output_type != "stream":
        output.metadata = as_node({})
        output.pop("transient", None)
    if output.output_type == "execute_result":
        output.execution_count = None
    return output


def _set_count(cell: NotebookNode, number: int) -> None:
    cell.execution_count = number
    for output in cell.outputs:
        if output.output_type == "execute_result":
            output.execution_count = number


def text_of(notebook: NotebookNode) -> str:
    """The bytes of a notebook in its stored form, as text."""
    text: str = nbformat.writes(tidy(notebook), version=4)  # type: ignore[no-untyped-call]
    return text.rstrip("\n") + "\n"


def write(path: Path, notebook: NotebookNode) -> bool:
    """Store a notebook in that form, in one step; False if the file was the same already."""
    text = text_of(notebook)
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.write_text(text, encoding="utf-8")
    new.replace(path)
    return True


def canonicalise(path: Path) -> bool:
    """Bring a stored notebook into its form; True if that changed it."""
    return write(path, parse(path))


def canonical(path: Path) -> list[str]:
    """What is wrong with a stored notebook, a line each; empty if it may be committed."""
    raw, notebook = load(path), parse(path)
    found = [problem for look in (_ids, _metadata, _counts) for problem in look(raw)]
    if not found and path.read_text(encoding="utf-8") != text_of(notebook):
        found = ["is not written in its canonical form"]
    found = [f"{problem} (make fix mends it)" for problem in found]
    found += [
        problem for look in (_active, _paths, _long) for problem in _each_code(notebook, look)
    ]
    return [f"{path.name}: {problem}" for problem in found]


def advice(path: Path) -> list[str]:
    """What a reader would thank for, a line each: cells of code short enough to take in."""
    problems = _each_code(parse(path), _long_code)
    return [f"{path.name}: {problem}" for problem in problems]


def _ids(raw: Mapping[str, Any]) -> Iterator[str]:
    ids = [cell.get("id") for cell in raw["cells"]]
    for number, name in enumerate(ids, 1):
        if not name:
            yield f"cell {number} has no id"
    for name in sorted({name for name in ids if name and ids.count(name) > 1}):
        yield f"two cells have the id {name}"


def _metadata(raw: Mapping[str, Any]) -> Iterator[str]:
    info = raw.get("metadata", {})
    for key in sorted(info.keys() - NOTEBOOK_KEYS):
        yield f"metadata {key} does not belong here"
    if info.get("language_info", {}).keys() - LANGUAGE.keys():
        yield "metadata language_info says more than the language"
    for number, cell in enumerate(raw["cells"], 1):
        for key in sorted(cell.get("metadata", {}).keys() - CELL_KEYS):
            yield f"cell {number}: metadata {key} does not belong here"


def _counts(raw: Mapping[str, Any]) -> Iterator[str]:
    counts = [c["execution_count"] for c in raw["cells"] if c.get("execution_count")]
    if counts != list(range(1, len(counts) + 1)):
        yield "the cells were not run from first to last in one go"


def _each_code(
    notebook: NotebookNode, look: Callable[[NotebookNode], Iterator[str]]
) -> Iterator[str]:
    for cell in notebook.cells:
        if cell.cell_type == "code":
            for problem in look(cell):
                yield f"cell {cell.id}: {problem}"


def _texts(cell: NotebookNode) -> Iterator[tuple[str, str]]:
    """Each text that the cell's outputs bring to the page, with its MIME type."""
    for output in cell.outputs:
        match output.output_type:
            case "stream":
                yield "text/plain", output.text
            case "error":
                yield (
                    "text/plain",
                    "\n".join([f"{output.ename}: {output.evalue}", *output.traceback]),
                )
            case _:
                for mime, value in output.data.items():
                    yield mime, value if isinstance(value, str) else str(value)


def _active(cell: NotebookNode) -> Iterator[str]:
    for mime, text in _texts(cell):
        if any(part in mime for part in _ACTIVE_MIMES):
            yield f"output of type {mime}: text, SVG or PNG is wanted"
        elif mime in ("text/html", "image/svg+xml") and _SCRIPT.search(text):
            yield f"output of type {mime} with a script in it"


def _paths(cell: NotebookNode) -> Iterator[str]:
    for mime, text in _texts(cell):
        if mime.startswith("image/") and mime != "image/svg+xml":
            continue
        if found := _HOME.search(text):
            yield f"output shows a path of this host: {found[0]}"
        elif str(ROOT) in text:
            yield f"output shows a path of this host: {ROOT}"


def _long(cell: NotebookNode) -> Iterator[str]:
    shown = [b.text for b in normalise(cell.outputs, []).blocks if not b.kind.startswith("image/")]
    lines = sum(len(text.split("\n")) for text in shown)
    if lines > MOST_OUTPUT and not str(asked(cell).get("long", "")).strip():
        yield f"{lines} lines of output, {MOST_OUTPUT} at most, or why in metadata drift.long"


def _long_code(cell: NotebookNode) -> Iterator[str]:
    lines = [line for line in cell.source.splitlines() if line.strip()]
    count = len([line for line in lines if not line.startswith("%%")])
    if count > MOST_CODE:
        yield f"{count} lines of code, {MOST_CODE} at most: move logic to the lab package"

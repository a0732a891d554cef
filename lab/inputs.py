"""What the end of a chapter is made of beside the machine and the notebooks: this package, and files of `lab/files`.

A key that leaves something out would let a chapter pass unproven, so a notebook is taken to use every file whose
name its code holds, and all of them where its code does not say which. While a notebook runs under a key, `show`
and `install` give it no other (`lab.show.ALLOWED`): what was overlooked here fails there.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from lab.config import ROOT
from lab.drift.notebooks import load, runs, source
from lab.show import real_files

CHAPTER = "chapters/ch[0-9][0-9]_*.py"
PACKAGE = ("*.py", "chapters/*.py", "pki/*.py", "pictures/*.py", "providers/**/*.py")
"""Code that drives the machine. A chapter's module (`CHAPTER`) only counts from its chapter on."""

STEERING = {"console.py", "inputs.py", "session.py", "__main__.py"}
"""These only steer or measure: a change in them changes no machine."""

READERS = {"show", "install"}
"""What a notebook calls to read a file of `lab/files`, by its name."""

AROUND = ("real_file", "part_of", "lab.config", "lab/files", "ROOT", "__file__")
"""Ways to the files that name none of them to us."""


@cache
def package_hash() -> str:
    """Hash of the package's modules that make a difference to a machine."""
    top = ROOT / "lab"
    paths = {path for pattern in PACKAGE for path in top.glob(pattern)} - {*top.glob(CHAPTER)}
    return _hash(top, (path for path in paths if path.name not in STEERING))


def chapter_hash(notebook: Path) -> str:
    """Hash of the files of `lab/files` that a notebook may use, and of the module with its exercise."""
    top, known = ROOT / "lab", real_files()
    module = top / "chapters" / f"ch{notebook.stem.replace('-', '_')}.py"
    return _hash(top, [module, *(known[name] for name in used_files(notebook))])


def used_files(notebook: Path) -> frozenset[str]:
    """Names of the files of `lab/files` that a notebook may use. Raises `BadNotebook` if it is none."""
    known = frozenset(real_files())
    cells = [source(cell) for cell in load(notebook)["cells"] if runs(cell)]
    if any(word in cell for cell in cells for word in AROUND) or any(map(_unclear, cells)):
        return known
    return frozenset(name for name in known if any(name in cell for cell in cells))


def _unclear(cell: str) -> bool:
    """A cell reads a file whose name is not written in it, or does something else with what reads files."""
    if cell.startswith("%%vm"):
        return False
    try:
        nodes = list(ast.walk(ast.parse(cell)))
    except SyntaxError:
        return any(reader in cell for reader in READERS)
    calls = [node for node in nodes if isinstance(node, ast.Call) and _name(node.func) in READERS]
    named = [call for call in calls if call.args and isinstance(call.args[0], ast.Constant)]
    mentioned = [node for node in nodes if _name(node) in READERS]
    return len(named) != len(mentioned)


def _name(node: ast.AST) -> str:
    """Last part of a name: ``install`` of ``vm.install``."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _hash(top: Path, paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(f"{path.relative_to(top)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()

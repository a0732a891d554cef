"""Imports inside `lab` go one way only, as ARCHITECTURE.md draws it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parent.parent / "lab"
# Each may import from those before it and from itself; a name stands for all below it, too.
LAYERS = (
    {"errors", "result"},
    {"config"},
    {
        "classroom.place",
        "classroom.protocol",
        "classroom.settings",
        "classroom.client",
        "classroom.progress",
        "classroom.journal",
        "classroom.report",
    },
    {"show", "script"},
    {"pictures"},
    {"providers.base"},
    {"connection", "running"},
    {"dialog", "host"},
    {"check", "keys", "pki", "release"},
    {"machine"},
    {"bundle"},
    {"providers.podman", "providers.container", "providers.vagrant", "providers.classroom"},
    {"lab"},
    {"drift"},
    {"notebook", "chapters", "inputs"},
    {"session"},
    {"classroom"},
    {"console", "bench"},
    {"cli"},
)
PUBLIC = {"chapters", "check", "host", "lab", "notebook", "result", "show"}


def modules() -> list[Path]:
    """All modules of the package but the public surface and the entry point."""
    found = TOP.rglob("*.py")
    outside = {TOP / "__init__.py", TOP / "__main__.py"}
    return sorted(p for p in found if "meta1" not in p.relative_to(TOP).parts and p not in outside)


def name_of(path: Path) -> str:
    """``providers.base`` for lab/providers/base.py."""
    parts = path.relative_to(TOP).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def layer(name: str) -> int:
    """Place of a module in the order; raises if it has none."""
    for place, names in enumerate(LAYERS):
        if any(name == known or name.startswith(f"{known}.") for known in names):
            return place
    if name == "providers":
        return layer("providers.base")
    raise AssertionError(f"{name} has no place in LAYERS and ARCHITECTURE.md")


def imported(path: Path) -> set[str]:
    """Modules of `lab` that a module imports when it is loaded or later, but not for types only."""
    tree = ast.parse(path.read_text())
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            node.body = []
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "lab":
            rest = node.module.removeprefix("lab").lstrip(".")
            names = {f"{rest}.{a.name}".lstrip(".") for a in node.names}
            known = {name_of(p) for p in modules()}
            found |= (names & known) or {rest}
    return found - {""}


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_imports_go_down(path: Path) -> None:
    """No module imports from a layer above its own."""
    name = name_of(path)
    upward = {other for other in imported(path) if layer(other) > layer(name)}
    assert upward == set()


def test_public_surface_is_small() -> None:
    """What a notebook may import from `lab` is what ARCHITECTURE and the book name."""
    tree = ast.parse((TOP / "__init__.py").read_text())
    origin = {n.module for n in tree.body if isinstance(n, ast.ImportFrom)}
    assert {str(o).removeprefix("lab.") for o in origin} - {"lab"} <= PUBLIC

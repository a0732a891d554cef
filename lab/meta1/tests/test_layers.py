"""The shape of the package: imports go one way, files and functions stay small, RFCs are listed."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.whole

TREE = Path(__file__).resolve().parent.parent
PACKAGE = TREE / "src" / "meta1"
DAEMONS = {"mcp", "smtps", "smtpc", "qmgr", "smar"}
MAX_LINES, MAX_FUNCTION = 400, 50
ALLOWED = {
    "smtp": {"smtp"},
    "supervision": set(),
    "config": {"config", "buildinfo"},
    "messages": {"queue.envelope", "smtp", "messages"},
    "maillog": {"syslog"},
}
"""Pure parts and what they may import of the package; itself is understood."""


def modules() -> dict[str, Path]:
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(part for part in parts if part != "__init__")] = path
    return found


MODULES = modules()


def _executed(tree: ast.AST) -> Iterator[ast.AST]:
    """Nodes that run: what stands under ``if TYPE_CHECKING:`` never does."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        yield node
        yield from _executed(node)


def imports(path: Path) -> Iterator[str]:
    """Modules of the package that a file imports, without those only for the type checker."""
    tree = ast.parse(path.read_text())
    for node in _executed(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [each.name for each in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            names = [f"{node.module}.{each.name}" for each in node.names] + [node.module]
        for name in names:
            inside = name.removeprefix("meta1.") if name.startswith("meta1.") else ""
            if inside in MODULES:
                yield inside


GRAPH = {name: sorted({*imports(path)} - {name, ""}) for name, path in MODULES.items()}


def test_no_import_cycle() -> None:
    """A package's __init__, which only re-exports, counts as its own module."""
    done: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " -> ".join([*way[way.index(name) :], name])
        if name not in done:
            for each in GRAPH[name]:
                # A module inside a package may be imported while its package is being imported.
                if not name.startswith(f"{each}."):
                    visit(each, (*way, name))
            done.add(name)

    for name in GRAPH:
        visit(name, ())


@pytest.mark.parametrize("layer", sorted(ALLOWED))
def test_pure_parts_import_only_what_they_may(layer: str) -> None:
    """The cores know neither the daemons nor the network."""
    for name, targets in GRAPH.items():
        if name == layer or name.startswith(f"{layer}."):
            for target in targets:
                is_own = target == layer or target.startswith(f"{layer}.")
                is_allowed = any(
                    target == each or target.startswith(f"{each}.") for each in ALLOWED[layer]
                )
                assert is_own or is_allowed, f"{name} imports {target}"


def test_nobody_imports_a_daemon() -> None:
    """The five share messages, not code of each other."""
    for name, targets in GRAPH.items():
        assert not DAEMONS.intersection(targets) - {name}, f"{name} imports {targets}"


@pytest.mark.parametrize("name", sorted(MODULES))
def test_size(name: str) -> None:
    """A file is read in one sitting, a function without scrolling."""
    text = MODULES[name].read_text()
    assert len(text.splitlines()) <= MAX_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            assert length <= MAX_FUNCTION, f"{node.name}: {length} lines"


@pytest.mark.parametrize("name", sorted(MODULES))
def test_every_module_says_what_it_is(name: str) -> None:
    """A docstring that begins with a sentence."""
    text = ast.get_docstring(ast.parse(MODULES[name].read_text()))
    assert text, name


def test_every_rfc_named_in_the_code_is_listed() -> None:
    """RFC.md knows each RFC that a comment refers to."""
    listed = set(re.findall(r"^\| RFC (\d+)", (TREE / "RFC.md").read_text(), re.MULTILINE))
    named = {
        (number, name)
        for name, path in MODULES.items()
        for number in re.findall(r"RFC (\d{3,5})", path.read_text())
    }
    assert sorted(each for each in named if each[0] not in listed) == []


def test_no_forbidden_names() -> None:
    """A folder list should say where a bug lives."""
    bad = {"utils", "util", "helpers", "misc"}
    assert not {part for name in MODULES for part in name.split(".")} & bad

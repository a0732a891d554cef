"""Show notebook cells as what they are: shell commands, files, checks, talks.

MyST-NB gives every code cell as Python source with a plain output. This module looks at the source,
decides which of a few kinds of cell it is, and changes the nodes before Sphinx stores them. The
notebook itself stays as it is; a cell that is none of these kinds stays Python.
"""

from __future__ import annotations

import argparse
import ast
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath

from docutils import nodes
from sphinx.application import Sphinx

FILE_LEXERS = {".cnf": "ini", ".ini": "ini", ".service": "ini", ".socket": "ini", ".sh": "bash"}
MACHINE = "mail"


@dataclass(frozen=True, slots=True)
class VmLine:
    """What the first line of a `%%vm` cell says."""

    user: str
    stdin: str | None

    @property
    def prompt(self) -> str:
        """Who runs it and where, as a shell prompt has it."""
        return f"{self.user}@{MACHINE}"

    @property
    def lexer(self) -> str:
        """Root's prompt differs, as it does on the machine."""
        return "vm-root" if self.user == "root" else "vm-user"


def parse_vm_line(line: str) -> VmLine:
    """Read `%%vm --as root --stdin NAME ...`; options a reader need not see are left out."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--as", dest="user", default="lab")
    parser.add_argument("--stdin")
    known, _rest = parser.parse_known_args(shlex.split(line)[1:])
    return VmLine(known.user, known.stdin)


def _block(cell: nodes.Element, part: str) -> nodes.literal_block | None:
    """First literal block in the cell's input or output."""
    for container in cell.findall(nodes.container):
        if part in container["classes"]:
            return next(container.findall(nodes.literal_block), None)
    return None


def _title(block: nodes.literal_block, text: str) -> None:
    """Put a line above a block; not Sphinx's caption, which counts blocks and wants a label."""
    wrapper = nodes.container("", classes=["titled"])
    block.replace_self(wrapper)
    wrapper += [nodes.paragraph(text, text, classes=["cell-title"]), block]


def show_vm_cell(cell: nodes.Element, source: nodes.literal_block) -> bool:
    """A `%%vm` cell: bash, with the name of who runs it instead of the magic line."""
    first, _, script = source.astext().partition("\n")
    if not first.startswith("%%vm"):
        return False
    line = parse_vm_line(first)
    script = script.strip("\n")
    block = nodes.literal_block(script, script, language=line.lexer)
    block.source, block.line = source.source, source.line
    source.replace_self(block)
    _title(block, line.prompt + (f", input: {line.stdin}" if line.stdin else ""))
    cell["classes"] += ["vm", line.lexer]
    return True


def shown_file(source: str) -> str | None:
    """Path on the machine if the source is one call `show("path", ...)`, else None."""
    try:
        body = ast.parse(source).body
    except SyntaxError:
        return None
    match body:
        case [ast.Expr(ast.Call(ast.Name("show"), [ast.Constant(str(path)), *_]))]:
            return "/" + path.lstrip("/")
    return None


def show_file_cell(cell: nodes.Element, source: nodes.literal_block) -> bool:
    """A `show(...)` cell: the file under its path on the machine, which the call only repeats."""
    path = shown_file(source.astext())
    output = _block(cell, "cell_output")
    if path is None or output is None:
        return False
    lexer = FILE_LEXERS.get(PurePosixPath(path).suffix, "none")
    block = nodes.literal_block(output.astext(), output.astext(), language=lexer)
    output.replace_self(block)
    block["classes"] = []  # a file may be copied; an output may not
    _title(block, path)
    cell.remove(cell.children[0])
    cell["classes"] += ["file"]
    return True


def show_check_cell(cell: nodes.Element, source: nodes.literal_block) -> bool:
    """A cell of nothing but `check.…` calls and the waiting before them."""
    lines = [line for line in source.astext().splitlines() if not line.startswith(("#", " ", ")"))]
    if not all(line.startswith(("check.", "vm.wait_for(")) for line in lines if line):
        return False
    _title(source, "Check")
    cell["classes"] += ["check"]
    return True


def show_exercise_cell(cell: nodes.Element, source: nodes.literal_block) -> bool:
    """The cell that asks whether the reader has done the exercise."""
    if not re.fullmatch(r"exercise\(vm, \d+\)", source.astext().strip()):
        return False
    _title(source, "Exercise")
    cell["classes"] += ["check", "exercise"]
    return True


def show_python_cell(cell: nodes.Element, source: nodes.literal_block) -> bool:
    """Any other cell: Python, and said so, because most cells are not."""
    _title(source, "Python")
    cell["classes"] += ["python"]
    return True


def show_output(cell: nodes.Element) -> None:
    """Tell kinds of output by their lines: a talk of two sides, checks that hold, what is to do."""
    output = _block(cell, "cell_output")
    if output is None or "stream" not in output["classes"]:
        return
    lines = output.astext().splitlines()
    if all(re.match(r"[SC]:", line) for line in lines):
        output["language"] = "dialog"
    if all(line.startswith("ok   ") for line in lines):
        output["classes"] += ["holds"]
    elif all(line.startswith(("ok   ", "to do  ")) for line in lines):
        output["classes"] += ["open"]


def show_solution(block: nodes.literal_block) -> None:
    """The solution of an exercise: shell of the user lab, as a `%%vm` cell would show it."""
    line = VmLine("lab", None)
    block["language"] = line.lexer
    _title(block, line.prompt)


KINDS: tuple[Callable[[nodes.Element, nodes.literal_block], bool], ...] = (
    show_vm_cell,
    show_file_cell,
    show_check_cell,
    show_exercise_cell,
    show_python_cell,
)


def show_cells(_app: Sphinx, doctree: nodes.document) -> None:
    """Go through the code cells of a page; the first kind that fits a cell has it."""
    for cell in list(doctree.findall(nodes.container)):
        if cell.get("nb_element") != "cell_code":
            continue
        show_output(cell)
        source = _block(cell, "cell_input")
        if source is not None:
            any(show(cell, source) for show in KINDS)
    for section in doctree.findall(nodes.section):
        if "exercise" in section["ids"]:
            for block in list(section.findall(nodes.literal_block)):
                if block.get("language") == "bash":
                    show_solution(block)


def setup(app: Sphinx) -> None:
    """Work on each page right after it was read."""
    app.connect("doctree-read", show_cells)

"""The picture of processes and rights: who runs as whom and may reach what, drawn from what the machine printed.

Its data are two stored outputs: chapter 9 asks `ps` for users, chapter 16 tries every file as every user. A change on
the machine changes them, and the picture with them; an edge that the machine did not print cannot be drawn.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.ext.graphviz import graphviz
from sphinx.util.docutils import SphinxDirective

USERS = "notebooks/09-starting.ipynb", "users"
REACH = "notebooks/16-security-review.ipynb", "reach-try"


def printed(notebook: Path, cell: str) -> list[str]:
    """Lines that a cell of a notebook printed. Raises `ExtensionError` if there are none."""
    for each in json.loads(notebook.read_text("utf-8"))["cells"]:
        if each.get("id") == cell:
            text = "".join("".join(output.get("text", "")) for output in each["outputs"])
            if text:
                return text.splitlines()
    raise ExtensionError(
        f"{notebook.name}: no output of a cell {cell!r}, from which a picture is drawn"
    )


def processes(lines: list[str]) -> dict[str, str]:
    """Process by its user, of the lines of ps: COMMAND USER GROUP SUPGRP."""
    return {user: command for command, user, *_ in (line.split() for line in lines[1:])}


def reach(lines: list[str]) -> dict[str, dict[str, str]]:
    """For each file what each user may do with it, such as `rw` or `r-`; none is an empty text."""
    users = lines[0].split()
    rows = (line.split() for line in lines[1:])
    return {
        file: {u: may.replace("-", "") for u, may in zip(users, mays, strict=True)}
        for file, *mays in rows
    }


def dot(runs: dict[str, str], may: dict[str, dict[str, str]]) -> str:
    """The picture: processes on the left, what somebody reaches on the right, and below what nobody does."""
    edges: list[str] = []
    reached: list[str] = []
    unreached: list[str] = []
    for file, rights in may.items():
        somebody = {user: right for user, right in rights.items() if right}
        (reached if somebody else unreached).append(file)
        for user, right in somebody.items():
            kind = "class=data" if "w" in right else "style=dashed"
            edges.append(f'  "{runs[user]}" -> "{file}" [{kind}]')
    order = list(dict.fromkeys(user for rights in may.values() for user in rights))
    boxes = [f'  "{runs[user]}" [label="{runs[user]}\\n{user}", class=main]' for user in order]
    files = [f'  "{file}" [class=disk]' for file in reached]
    walls = "\\l".join(unreached)
    return "\n".join(
        [
            "digraph {",
            "  rankdir=LR; nodesep=0.16; ranksep=1.3",
            *boxes,
            *files,
            f'  out [label="{walls}\\l", class=no]',
            *edges,
            f'  "{runs[order[-1]]}" -> out [style=invis]',
            "}",
        ]
    )


def in_words(runs: dict[str, str], may: dict[str, dict[str, str]]) -> str:
    """The picture in a few sentences."""
    said = []
    for user, process in runs.items():
        found = [
            f"{'read and write' if 'w' in m[user] else 'read'} {f}"
            for f, m in may.items()
            if m.get(user)
        ]
        if found:
            said.append(f"{process} runs as {user} and may {', '.join(found)}.")
    nobody = [file for file, rights in may.items() if not any(rights.values())]
    return " ".join([*said, f"None of them reaches {', '.join(nobody)}."])


class Rights(SphinxDirective):
    """`{rights}`: the picture, with its caption."""

    has_content: ClassVar[bool] = False

    def run(self) -> list[nodes.Node]:
        """Read both outputs and draw."""
        root = Path(self.env.srcdir)
        lines = []
        for name, cell in (USERS, REACH):
            self.env.note_dependency(str(root / name))
            lines.append(printed(root / name, cell))
        runs, may = processes(lines[0]), reach(lines[1])
        picture = graphviz("", code=dot(runs, may), alt=in_words(runs, may), options={})
        self.set_source_info(picture)
        words = (
            "Thick: reads and writes. Dashed: reads only. Below, what none of the four reaches. Drawn from what the "
            "machine answered in chapters 9 and 16, where every file was tried as every user."
        )
        return [nodes.figure("", picture, nodes.caption("", words))]


def setup(app: Sphinx) -> None:
    """Make the directive known."""
    app.add_directive("rights", Rights)

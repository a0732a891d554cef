"""The words of an exercise, read from the cell `exercise` of a chapter's notebook: task, hint, solution.

A reader sees hint and solution folded. `lab hint --exercise` and `lab solve --exercise` use the same words, so the
solution that the page shows is the one that CI proves.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from lab.drift.notebooks import load, source
from lab.errors import BadNotebook

CELL = "exercise"
FOLDED = r"<details>\s*<summary>{}</summary>\n(?P<text>.*?)</details>"
HINT = re.compile(FOLDED.format("Hint"), re.DOTALL)
SOLUTION = re.compile(FOLDED.format("Solution"), re.DOTALL)
SHELL = re.compile(r"^```bash\n(?P<shell>.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Task:
    """`solution` is shell text for the user lab on the machine."""

    hint: str
    solution: str


def parse_task(notebook: Path) -> Task:
    """Read the exercise of a notebook. Raises `BadNotebook` saying which part of it is missing."""
    cells = [cell for cell in load(notebook)["cells"] if cell.get("id") == CELL]
    text = source(cells[0]) if cells else ""
    hint, solution = HINT.search(text), SOLUTION.search(text)
    shell = SHELL.search(solution["text"]) if solution else None
    if not (hint and shell):
        raise BadNotebook(
            f"{notebook.name}: the cell {CELL!r} needs a folded Hint, and a folded Solution with a block of bash"
        )
    return Task(" ".join(hint["text"].split()), shell["shell"])

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
# A blank line around the text: without it Jupyter and the site take Markdown within HTML as it stands.
FOLDED = r"^<details><summary>{}</summary>\n\n(?P<text>(?:(?!<details>).)*?)\n\n</details>$"
HINT, SOLUTION = (
    re.compile(FOLDED.format(word), re.DOTALL | re.MULTILINE) for word in ("Hint", "Solution")
)
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
    shell = SHELL.findall(solution["text"]) if solution else []
    parts = {
        f"cell {CELL!r}": bool(cells),
        "folded Hint": bool(hint),
        "folded Solution": bool(solution),
        "block of bash, one, in the Solution": len(shell) == 1,
    }
    if not hint or not all(parts.values()):
        missing = next(part for part, there in parts.items() if not there)
        raise BadNotebook(
            f"{notebook.name}: no {missing}", "CONTRIBUTING.md has the shape of an exercise"
        )
    return Task(" ".join(hint["text"].split()), shell[0])

"""The words of an exercise, read from the cell `exercise` of a chapter's notebook: task, hints, solution.

A reader sees hints and solution folded. `lab hint --exercise` and `lab solve --exercise` use the same words, so the
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
ORDER = ("Hint", "Second hint", "Third hint", "Solution")
"""The folded texts; the second and the third hint are for those exercises that need them."""
TEXTS = {word: re.compile(FOLDED.format(word), re.DOTALL | re.MULTILINE) for word in ORDER}
SHELL = re.compile(r"^```bash\n(?P<shell>.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Task:
    """`hints` are one to three, each telling more; `solution` is shell text for the user lab on the machine."""

    hints: tuple[str, ...]
    solution: str


def parse_task(notebook: Path) -> Task:
    """Read the exercise of a notebook. Raises `BadNotebook` saying which part of it is missing."""
    cells = [cell for cell in load(notebook)["cells"] if cell.get("id") == CELL]
    text = source(cells[0]) if cells else ""
    found = {word: match for word, pattern in TEXTS.items() if (match := pattern.search(text))}
    shell = SHELL.findall(found["Solution"]["text"]) if "Solution" in found else []
    parts = {
        f"cell {CELL!r}": bool(cells),
        "folded Hint": "Hint" in found,
        "folded Second hint before the third": "Third hint" not in found or "Second hint" in found,
        "folded Solution": "Solution" in found,
        "block of bash, one, in the Solution": len(shell) == 1,
        f"order {', '.join(ORDER)}": [*found]
        == sorted(found, key=lambda word: found[word].start()),
    }
    if not all(parts.values()):
        missing = next(part for part, there in parts.items() if not there)
        raise BadNotebook(
            f"{notebook.name}: no {missing}", "CONTRIBUTING.md has the shape of an exercise"
        )
    hints = tuple(" ".join(found[word]["text"].split()) for word in ORDER[:-1] if word in found)
    return Task(hints, shell[0])

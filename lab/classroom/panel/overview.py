"""What the panel lists: the chapters, where their notebooks lie for this server, and how far one is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lab.chapters import Chapter, chapter, chapters
from lab.classroom import journal
from lab.classroom.progress import Board
from lab.classroom.report import report

PLACES = (".", "tutorial", "notebooks")
"""Where, below the server's folder, notebooks are looked for."""


def chapters_of(root: Path) -> list[dict[str, Any]]:
    """All chapters as the panel shows them; `root` is the folder that the server shows."""
    events = journal.events()
    cells = Board(events).cells("", (each.number for each in chapters()))
    taken = journal.hints_of(events)
    return [_shown(each, root, cells[str(each.number)], taken) for each in chapters()]


def solution(word: str) -> str:
    """The solution of a chapter's exercise: shell text. That it was asked for is told. Raises `UnknownName`."""
    found = chapter(word)
    text = found.exercise.task.solution
    report("solve", found.number, exercise=True)
    return text


def _shown(
    each: Chapter, root: Path, cell: dict[str, Any], taken: dict[int, int]
) -> dict[str, Any]:
    name = each.notebook.name
    found = [place for place in PLACES if (root / place / name).is_file()]
    hints = each.exercise.task.hints
    return {
        "number": each.number,
        "title": each.title,
        "path": str(Path(found[0], name)) if found else None,
        "state": cell["state"],
        "exercise": {
            "state": cell["exercise"],
            "hints": hints[: taken.get(each.number, 0)],
            "total": len(hints),
        },
    }

"""Small notebooks, rules and a lab without a machine, for the tests of the drift check."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab.drift.notebooks import code_key
from lab.errors import LabError

Cell = dict[str, Any]
Book = Callable[..., Path]

CLOCK = """
- name: clock
  why: the time of day
  pattern: '\\b\\d\\d:\\d\\d:\\d\\d(\\.\\d+)?\\b'
  replace: <time>
  example: at 10:00:00
"""


class FakeLab:
    """A lab session that only remembers: `log` has what was asked, `saved` the saved states."""

    def __init__(self, notebooks: list[Path]) -> None:
        self.notebooks = notebooks
        self.saved: set[str] = set()
        self.log: list[str] = []
        self.made_of = "image 1"
        self.broken: LabError | None = None
        self.has_all = False

    def key(self, notebook: Path) -> str:
        position = self.notebooks.index(notebook)
        return self.made_of + "".join(code_key(path) for path in self.notebooks[: position + 1])

    def has(self, key: str) -> bool:
        return self.has_all or key in self.saved

    def environment(self, notebook: Path) -> dict[str, str]:
        return {"NOTEBOOK": notebook.stem}

    def enter(self, notebook: Path) -> None:
        if self.broken:
            raise self.broken
        self.log.append(f"enter {notebook.stem}")

    def leave(self, notebook: Path) -> None:
        self.saved.add(self.key(notebook))
        self.log.append(f"leave {notebook.stem}")


def stream(text: str, name: str = "stdout") -> dict[str, Any]:
    """An output as nbformat holds it."""
    return {"output_type": "stream", "name": name, "text": text}


def code(
    source: str, *outputs: dict[str, Any] | str, tags: tuple[str, ...] = (), **drift: Any
) -> Cell:
    """A code cell; an output given as text is what the cell prints."""
    metadata: dict[str, Any] = {"tags": list(tags)} if tags else {}
    if drift:
        metadata["drift"] = drift
    return {
        "cell_type": "code",
        "execution_count": None,
        "metadata": metadata,
        "outputs": [stream(out) if isinstance(out, str) else out for out in outputs],
        "source": source,
    }

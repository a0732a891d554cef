"""The picture of the queue's states on disk, drawn from the table in lab/meta1/doc/QUEUE.md.

A column a state, a lane a store: one sees at which moment what lies where, and what a crash then makes of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import ClassVar

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

from labsite.pictures import FRAME

SOURCE = "lab/meta1/doc/QUEUE.md"
HEAD = ["state", "content", "IBDB", "DEFEDB", "reached by", "after a crash"]
LANES = ("content", "IBDB", "DEFEDB")
FIRST, WIDTH, HEIGHT, TOP = 76, 70, 40, 34
# How the words after a crash begin, and what that means to the sender.
FATES = {
    "no 250": ("not-ours", "never promised"),
    "nothing to do": ("done", "nothing to do"),
    "the row": ("kept", "kept in DEFEDB"),
    "delivered": ("kept", "delivered"),
    "the others": ("kept", "the rest delivered"),
}


@dataclass(frozen=True, slots=True)
class State:
    """One row of the table."""

    name: str
    stores: tuple[str, str, str]
    reached: str
    crash: str

    @property
    def fate(self) -> tuple[str, str]:
        """Kind and short words of what a crash makes of it. Raises `ExtensionError` for words of a new kind."""
        for begin, fate in FATES.items():
            if self.crash.startswith(begin):
                return fate
        raise ExtensionError(f"{SOURCE}: {self.name}: what does {self.crash!r} mean to the sender?")


def states(markdown: str) -> list[State]:
    """Read the table. Raises `ExtensionError` if it is not there."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in markdown.splitlines()
        if "|" in line
    ]
    if HEAD not in rows:
        raise ExtensionError(f"{SOURCE}: no table with the columns {', '.join(HEAD)}")
    found = []
    for row in rows[rows.index(HEAD) + 2 :]:
        if not re.fullmatch(r"S\d+", row[0]):
            break
        found.append(State(row[0], (row[1], row[2], row[3]), row[4], row[5]))
    return found


def lines(text: str) -> list[str]:
    """Cut the words of a box in two where they are long."""
    words = text.replace("D...", "D…").split()
    half = (len(words) + 1) // 2
    return (
        [text.replace("D...", "D…")]
        if len(text) < 9
        else [" ".join(words[:half]), " ".join(words[half:])]
    )


def text(x: float, y: float, said: list[str], kind: str) -> str:
    """Words around a middle."""
    start = y - 7 * (len(said) - 1) + 4
    return "".join(
        f'<text class="{kind}" x="{x}" y="{start + 14 * number}">{escape(line)}</text>'
        for number, line in enumerate(said)
    )


def draw(table: list[State]) -> str:
    """The picture as SVG."""
    width, height = FIRST + WIDTH * len(table) + 4, TOP + HEIGHT * 4 + 22
    parts = [
        text(FIRST - 40, TOP + HEIGHT * (number + 0.5), [lane], "lane")
        for number, lane in enumerate([*LANES, "a crash"])
    ]
    for column, state in enumerate(table):
        x = FIRST + WIDTH * column
        parts.append(text(x + WIDTH / 2, 18, [state.name], "state"))
        for lane, held in enumerate(state.stores):
            y = TOP + HEIGHT * lane
            kind = (
                "none"
                if held in ("-", "no", "gone")
                else "loose"
                if held in ("written", "unsynced")
                else "held"
            )
            parts.append(
                f'<rect class="{kind}" x="{x + 2}" y="{y + 3}" width="{WIDTH - 4}" height="{HEIGHT - 6}" rx="5"/>'
            )
            parts.append(text(x + WIDTH / 2, y + HEIGHT / 2, lines(held.replace("-", "–")), kind))
        kind, words = state.fate
        parts.append(text(x + WIDTH / 2, TOP + HEIGHT * 3.5 + 8, lines(words), kind))
    said = escape(in_words(table))
    return (
        f'<svg class="queue-states" viewBox="0 0 {width} {height}" style="--width:{width / 13:.1f}em" role="img" '
        f'aria-label="{said}">{"".join(parts)}</svg>'
    )


def in_words(table: list[State]) -> str:
    """The picture in sentences, one a state."""
    return " ".join(
        f"{s.name}, {s.reached}: content {s.stores[0]}, IBDB {s.stores[1]}, DEFEDB {s.stores[2]}; "
        f"after a crash {s.crash}."
        for s in table
    ).replace(" -", " nothing")


class QueueStates(SphinxDirective):
    """`{queue-states}`: the picture, with its caption."""

    has_content: ClassVar[bool] = False

    def run(self) -> list[nodes.Node]:
        """Read the table and draw it."""
        path = Path(self.env.srcdir, SOURCE)
        self.env.note_dependency(str(path))
        picture = nodes.raw(
            "", f"{FRAME}{draw(states(path.read_text('utf-8')))}</div>", format="html"
        )
        words = "A column is a legal state on disk; the last line says what a crash makes of it."
        return [nodes.figure("", picture, nodes.caption("", words))]


def setup(app: Sphinx) -> None:
    """Make the directive known."""
    app.add_directive("queue-states", QueueStates)

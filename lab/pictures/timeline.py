"""A picture of what mcp did when a module ended: a row for each module, a column for each thing that happened.

Only the order is drawn, never a measured time: so the picture is the same on a fast machine and on a slow one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby

LINE = re.compile(
    r" mcp\[\d+\]: module_(?P<what>ended|waits|started|ready) module=(?P<module>\S+)"
    r'(?: pid=\d+)?(?: how="?(?P<how>[^"\n]+)"?)?(?: seconds=(?P<seconds>[\d.]+))?'
)
LABEL, COLUMN, HEAD, ROW = 64, 74, 46, 34
GREY, GREEN, RED, BLUE = "#767676", "#2e8b57", "#d0453e", "#3a7fc1"
COLOURS = {"killed": RED, "stopped": GREY, "waits": GREY, "started": BLUE, "ready": GREEN}


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened, to one module or to several at once: killed, waits, stopped, started or ready."""

    kind: str
    modules: tuple[str, ...]
    note: str = ""

    def __str__(self) -> str:
        """Read like a line of a table."""
        return f"{self.kind:8} {', '.join(self.modules)} {self.note}".rstrip()


def steps(log: str) -> list[Step]:
    """What happened, in the order of mcp's lines in a mail log; modules that stop side by side are one step."""
    found = groupby(_events(log), key=lambda step: (step.kind, step.note))
    return [
        Step(kind, tuple(sorted(module for step in group for module in step.modules)), note)
        for (kind, note), group in found
    ]


def picture(happened: Sequence[Step], modules: Sequence[str]) -> str:
    """Draw the steps as SVG, one row for each module; all modules are taken to be up before the first step."""
    width, height = LABEL + COLUMN * len(happened) + 20, HEAD + ROW * len(modules) + 6
    title = escape(f"Time line: {'; '.join(' '.join(str(step).split()) for step in happened)}")
    rows = [
        line for number, name in enumerate(modules) for line in _row(number, name, list(happened))
    ]
    start = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'role="img" aria-label="{title}" font-family="sans-serif" font-size="13">'
    )
    return "\n".join([start, *_heads(happened), *rows, "</svg>"]) + "\n"


def _events(log: str) -> Iterator[Step]:
    """One step for each line of mcp about a module."""
    for line in LINE.finditer(log):
        kind, note = line["what"], ""
        if kind == "ended":
            kind = "killed" if line["how"] == "signal SIGKILL" else "stopped"
        elif kind == "waits":
            note = f"{float(line['seconds']):g} s"
        yield Step(kind, (line["module"],), note)


def _heads(happened: Iterable[Step]) -> Iterator[str]:
    """Above each column: its number, what happened, and for how long if that is a setting."""
    for number, step in enumerate(happened):
        x = _x(number)
        yield _text(x, 15, str(number + 1))
        yield _text(x, 33, f"{step.kind} {step.note}".rstrip())


def _row(number: int, name: str, happened: list[Step]) -> Iterator[str]:
    """A module: a thick line while it serves, a dashed one while it is not yet ready, marks where it changes."""
    y = HEAD + ROW * number + ROW // 2
    yield f'<text x="4" y="{y + 4}" fill="{GREY}">{escape(name)}</text>'
    state, left = "ready", LABEL - 8
    marks = []
    for column, step in enumerate(happened):
        if name not in step.modules:
            continue
        yield from _bar(state, left, _x(column), y)
        state, left = step.kind, _x(column)
        marks.append(_mark(step.kind, left, y))
    yield from _bar(state, left, LABEL + COLUMN * len(happened) + 12, y)
    yield from marks


def _bar(state: str, left: int, right: int, y: int) -> Iterator[str]:
    """What a module is between two marks."""
    style = {
        "ready": f'stroke="{GREEN}" stroke-width="6"',
        "started": f'stroke="{BLUE}" stroke-width="2"',
        "waits": f'stroke="{GREY}" stroke-width="2" stroke-dasharray="2 5"',
    }
    if state in style:
        yield f'<line x1="{left}" y1="{y}" x2="{right}" y2="{y}" {style[state]}/>'


def _mark(kind: str, x: int, y: int) -> str:
    """A cross where it was killed, a square where it stopped, a ring where it started, a disc where it serves."""
    colour = COLOURS[kind]
    if kind == "killed":
        path = f"M{x - 7} {y - 7}L{x + 7} {y + 7}M{x - 7} {y + 7}L{x + 7} {y - 7}"
        return f'<path d="{path}" stroke="{colour}" stroke-width="4"/>'
    if kind == "stopped":
        return f'<rect x="{x - 6}" y="{y - 6}" width="12" height="12" fill="{colour}"/>'
    if kind == "started":
        return (
            f'<circle cx="{x}" cy="{y}" r="6" fill="#ffffff" stroke="{colour}" stroke-width="3"/>'
        )
    return f'<circle cx="{x}" cy="{y}" r="{7 if kind == "ready" else 3}" fill="{colour}"/>'


def _x(column: int) -> int:
    return LABEL + COLUMN * column + COLUMN // 2


def _text(x: int, y: int, text: str) -> str:
    return f'<text x="{x}" y="{y}" text-anchor="middle" fill="{GREY}">{escape(text)}</text>'

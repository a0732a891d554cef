"""The first page's picture: a letter on its way from the client to the mailbox, moved by CSS alone.

Drawn from one table of stops, twice: from left to right, and for a narrow page from top to bottom; the style sheet
shows one of them. Who wants no motion sees the letter at its end, with all words there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from html import escape
from typing import ClassVar

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from lab.config import ROOT
from lab.drift.history import PATH, load, state
from labsite.chapter import day


@dataclass(frozen=True, slots=True)
class Stop:
    """A program the letter comes to: what it does there, the way by which it leaves, whose program it is."""

    name: str
    does: tuple[str, str]
    leaves_by: str
    house: str = ""


STOPS = (
    Stop("client", ("somebody", "writes"), "SMTP"),
    Stop("smtps", ("takes it: on disk,", "then 250"), "envelope", "MeTA1"),
    Stop("qmgr", ("keeps it, and", "finds the way"), "delivery", "MeTA1"),
    Stop("smtpc", ("hands it on,", "or tries again"), "LMTP", "MeTA1"),
    Stop("Cyrus", ("puts it into", "the mailbox"), "IMAP", "Cyrus IMAP"),
    Stop("reader", ("Alice has", "mail"), ""),
)
SAID = (
    "A letter goes from a client by SMTP to smtps, which answers 250 once it is on disk. qmgr keeps its envelope and "
    "finds the way; smtpc reads the content and hands it by LMTP to Cyrus IMAP, which puts it into the mailbox, where "
    "its reader finds it by IMAP."
)
SECONDS = 14
"""One journey, with its rest at the end."""
STAY = 0.62
"""Part of the time for one stop that the letter rests there."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Measures of one of the two drawings, in units of the picture."""

    name: str
    step: tuple[int, int]
    first: tuple[int, int]
    size: tuple[int, int]
    box: tuple[int, int]

    def at(self, number: int) -> tuple[int, int]:
        """Middle of a stop."""
        return self.first[0] + number * self.step[0], self.first[1] + number * self.step[1]

    @property
    def wide(self) -> bool:
        """It goes from left to right."""
        return self.step[0] > 0


WIDE = Plan("wide", (130, 0), (42, 76), (734, 160), (70, 44))
TALL = Plan("tall", (0, 78), (54, 34), (330, 462), (80, 44))


def keyframes(plan: Plan) -> str:
    """Where the letter is at which part of its journey."""
    slot = 100 / len(STOPS)
    frames = []
    for number in range(len(STOPS)):
        x, y = plan.at(number)
        begins, ends = number * slot, (number + STAY) * slot
        last = number == len(STOPS) - 1
        frames.append(
            f"{begins:.1f}%,{100 if last else ends:.1f}%{{transform:translate({x}px,{y}px)}}"
        )
    return f"@keyframes letter-{plan.name}{{{''.join(frames)}}}"


def letter(plan: Plan) -> str:
    """Draw the envelope around its own middle; without motion it lies at the end."""
    x, y = plan.at(len(STOPS) - 1)
    return (
        f'<g class="letter" style="transform:translate({x}px,{y}px);animation-name:letter-{plan.name}">'
        '<rect x="-15" y="-10" width="30" height="21" rx="3"/><path d="M-11-5L0 3 11-5"/></g>'
    )


def draw_stop(plan: Plan, number: int) -> str:
    """Draw a box with its name, and what happens there in words beside it."""
    stop, (x, y), (width, height) = STOPS[number], plan.at(number), plan.box
    kind = "of-" + (stop.house.split()[0].lower() if stop.house else "people")
    delay = f"animation-delay:{number * SECONDS / len(STOPS):.2f}s"
    corner = f'x="{x - width // 2}" y="{y - height // 2}"'
    box = f'<rect class="stop {kind}" {corner} width="{width}" height="{height}" rx="8"/>'
    if plan.wide:
        name = f'<text class="name" x="{x}" y="{y - 28}">{stop.name}</text>'
        lines = [f'<text x="{x}" y="{y + 41 + 15 * k}">{w}</text>' for k, w in enumerate(stop.does)]
    else:
        name = f'<text class="name" x="{x + 56}" y="{y - 3}">{stop.name}</text>'
        lines = [f'<text x="{x + 56}" y="{y + 15}">{" ".join(stop.does)}</text>']
    return f'<g class="at" style="{delay}">{box}{name}{"".join(lines)}</g>'


def draw_house(plan: Plan, house: str) -> str:
    """Frame the stops that are programs of one house, with its name on the frame."""
    inside = [plan.at(n) for n, stop in enumerate(STOPS) if stop.house == house]
    (left, top), (right, bottom) = inside[0], inside[-1]
    if plan.wide:
        x, y, width, height = left - 58, 26, right - left + 116, plan.size[1] - 28
        word = f'x="{x + width / 2:g}" y="{y + height - 7}" text-anchor="middle"'
    else:
        x, y, width, height = 4, top - 34, plan.size[0] - 8, bottom - top + 68
        word = f'x="{x + width - 10}" y="{y + 16}" text-anchor="end"'
    kind = "of-" + house.split()[0].lower()
    name = f"<text {word}>{house}</text>"
    frame = f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="10"/>'
    return f'<g class="house {kind}">{frame}{name}</g>'


def draw_way(plan: Plan, number: int) -> str:
    """Draw the line from a stop to the next, with the protocol on it."""
    (x1, y1), (x2, y2) = plan.at(number), plan.at(number + 1)
    word = escape(STOPS[number].leaves_by)
    if plan.wide:
        half = plan.box[0] // 2
        line, place = f"M{x1 + half} {y1}H{x2 - half}", f'x="{(x1 + x2) // 2}" y="{y1 - 7}"'
    else:
        half = plan.box[1] // 2
        line, place = f"M{x1} {y1 + half}V{y2 - half}", f'x="{x1 + 8}" y="{(y1 + y2) // 2 + 4}"'
    return f'<path class="way" d="{line}"/><text class="by" {place}>{word}</text>'


def draw(plan: Plan) -> str:
    """Give one drawing as SVG."""
    houses = dict.fromkeys(stop.house for stop in STOPS if stop.house)
    frames = "".join(draw_house(plan, house) for house in houses)
    ways = "".join(draw_way(plan, number) for number in range(len(STOPS) - 1))
    stops = "".join(draw_stop(plan, number) for number in range(len(STOPS)))
    return (
        f'<svg class="mail-path {plan.name}" viewBox="0 0 {plan.size[0]} {plan.size[1]}" role="img" '
        f'aria-label="{escape(SAID)}" style="--journey:{SECONDS}s"><style>{keyframes(plan)}</style>'
        f"{frames}{ways}{stops}{letter(plan)}</svg>"
    )


PAUSE = '<label class="pause"><input type="checkbox"> Hold the letter</label>'
"""What moves for longer than five seconds must be able to stand still (WCAG 2.2.2)."""


def counted() -> str:
    """Count what the chapters have, and say how they stand by their recorded runs."""
    chapters = sorted((ROOT / "notebooks").glob("[0-9][0-9]-*.ipynb"))
    cells = [cell for path in chapters for cell in json.loads(path.read_text("utf-8"))["cells"]]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    steps = sum(source.startswith("%%vm") or "vm." in source for source in code)
    checks = sum(source.count("check.") for source in code)
    runs = load()
    said, _ = state([path.stem for path in chapters], runs)
    last = f", the last time on {day(runs[-1])}" if runs else ""
    parts = (
        f"{len(chapters)} chapters",
        f"{steps} steps on the machine",
        f"{checks} checks of their effect",
        said.split(",")[0] + last,
    )
    return " · ".join(parts)


class InNumbers(SphinxDirective):
    """`{in-numbers}`: one line under the picture, counted from the notebooks and the recorded runs."""

    has_content: ClassVar[bool] = False

    def run(self) -> list[nodes.Node]:
        """Count, and place where a reader can go on with what he began (reading.js)."""
        self.env.note_dependency(str(PATH))
        go_on = nodes.raw("", '<p id="go-on" hidden></p>', format="html")
        return [nodes.paragraph("", counted(), classes=["in-numbers"]), go_on]


class MailPath(SphinxDirective):
    """`{mail-path}`: both drawings; a page shows the one it has room for."""

    has_content: ClassVar[bool] = False

    def run(self) -> list[nodes.Node]:
        """Put them into the page."""
        return [
            nodes.raw(
                "",
                f'<div class="mail-path-frame">{draw(WIDE)}{draw(TALL)}{PAUSE}</div>',
                format="html",
            )
        ]


def setup(app: Sphinx) -> None:
    """Make the directive known."""
    app.add_directive("mail-path", MailPath)
    app.add_directive("in-numbers", InNumbers)

"""Social cards: the picture, 1200 by 630, that a link to a page shows where it is shared; drawn as the page is written.

Networks take no SVG, so it is a PNG; letters and colours are the book's own.
"""

from __future__ import annotations

import textwrap
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from sphinx.application import Sphinx

SIZE = (1200, 630)
PAPER, INK, MUTED, TEAL = "#fdfcfa", "#171c22", "#545e68", "#0b6772"
FOLDER = "_static/cards"
SANS, SERIF = "source-sans-3-latin-wght-normal.woff2", "source-serif-4-latin-400-normal.woff2"


@cache
def letters(fonts: Path, name: str, size: int, weight: int = 0) -> ImageFont.FreeTypeFont:
    """One of the book's typefaces at a size and weight."""
    font = ImageFont.truetype(fonts / name, size)
    if weight:
        font.set_variation_by_axes([weight])  # the one axis that it has
    return font


def envelope(draw: ImageDraw.ImageDraw, x: int, y: int, scale: float) -> None:
    """Draw the mark of the book: three envelopes in a queue."""

    def box(dx: float, dy: float, colour: str) -> None:
        left, top = x + dx * scale, y + dy * scale
        draw.rounded_rectangle(
            (left, top, left + 40 * scale, top + 30 * scale),
            5 * scale,
            fill=colour,
            outline=PAPER,
            width=int(2 * scale),
        )

    for dx, dy, colour in ((18, 0, "#a9d3d6"), (9, 8, "#62b0b6"), (0, 16, "#1d8a93")):
        box(dx, dy, colour)
    flap = [(x + a * scale, y + b * scale) for a, b in ((6, 24), (20, 34.5), (34, 24))]
    draw.line(flap, fill="#ffffff", width=int(3 * scale), joint="curve")


@cache
def paper() -> Image.Image:
    """What all cards have: the mark, drawn four times as large, since shapes, unlike letters, have hard edges."""
    picture = Image.new("RGB", (SIZE[0] * 4, SIZE[1] * 4), PAPER)
    envelope(ImageDraw.Draw(picture), 96 * 4, 72 * 4, 8.0)
    return picture.resize(SIZE, Image.Resampling.LANCZOS)


def card(title: str, description: str, book: str, fonts: Path) -> Image.Image:
    """Draw the card of one page."""
    picture = paper().copy()
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 0, 24, SIZE[1]), fill=TEAL)
    draw.text((250, 92), book, font=letters(fonts, SANS, 40, 620), fill=MUTED)
    lines = textwrap.wrap(title, 24)[:2]
    for number, line in enumerate(lines):
        draw.text((92, 232 + 92 * number), line, font=letters(fonts, SANS, 82, 650), fill=INK)
    top = 258 + 92 * len(lines)
    for number, line in enumerate(textwrap.wrap(description, 58, max_lines=3, placeholder=" …")):
        draw.text((96, top + 48 * number), line, font=letters(fonts, SERIF, 34), fill=MUTED)
    return picture


def write_card(app: Sphinx, page: str, description: str) -> str:
    """Draw the card of a page into the site; returns its path there."""
    path = f"{FOLDER}/{page.replace('/', '-')}.png"
    target = Path(app.outdir, path)
    target.parent.mkdir(parents=True, exist_ok=True)
    fonts = Path(app.srcdir, "book/_static/fonts")
    title = app.env.titles[page].astext()
    made = card(title, description, app.config.html_title, fonts).quantize(32)
    made.save(target, optimize=True)
    return path

"""How key pages look, compared with pictures that a person has looked at.

Usage: .venv/bin/python tests/site/looks.py     photographs anew: `make baseline`. Look at `git diff` before you commit.

Letters are the book's own, drawn without hinting and without coloured edges. Pictures are stored at half size in few
colours; two count as the same if no tile of them differs to the eye. Hidden are what a run tells (dates, versions,
counts) and the list of chapters, which grows.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy
import served
import trialbook
import views
from PIL import Image, ImageFilter
from playwright.sync_api import Browser, Page

BASELINE = Path(__file__).parent / "baseline"
COLOURS = 192
TILE = 16
"""Pixels of half size: about a word."""
STEP = 24
"""Levels of 255 by which a pixel must differ to count: fine edges of letters differ by less between two browsers."""
MOST = 0.12
"""Part of a tile that may differ."""

STILL_TRIES = 8

KEY = {
    "cover": ("site", "book/index.html", "desktop"),
    "cover-phone": ("site", "book/index.html", "phone"),
    "chapter": ("site", "notebooks/02-cyrus-imap.html", "desktop"),
    "reference": ("site", "book/reference/access-map.html", "dark"),
    "cells": ("trial", "notebooks/cells.html#shell", "desktop"),
    "cells-phone": ("trial", "notebooks/cells.html#outputs", "phone"),
}
"""Six key pages: the book, the address within it, the view."""

STILL = """
*, *::before, *::after { animation: none !important; transition: none !important; caret-color: transparent !important }
.last-updated, .chapter-head dd, .in-numbers, .bd-links { visibility: hidden !important }
html { scrollbar-width: none }
"""


def photograph(browser: Browser, view: str, address: str, more: str = "") -> Image.Image:
    """What stands on the first screen of a page, at half size; `more` is style put on top of its own."""
    with views.opened(browser, view, address) as page:
        page.reload()  # by now the browser has the letters, and draws the page with them from the start
        page.add_style_tag(content=STILL + more)
        views.settle(page)
        return small(_screen(page))


def _screen(page: Page) -> Image.Image:
    """What is on the screen once it is the same twice in a row: a busy machine may not have drawn it all before."""
    last = b""
    for _ in range(STILL_TRIES):
        found = page.screenshot(scale="css")
        if found == last:
            break
        last = found
    return Image.open(BytesIO(last)).convert("RGB")


def small(picture: Image.Image) -> Image.Image:
    """Half size."""
    return picture.reduce(2)


def store(picture: Image.Image, path: Path) -> None:
    """Write a picture in few colours."""
    few = picture.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    few.save(path, optimize=True)


def differs(one: Image.Image, other: Image.Image) -> list[tuple[int, int]]:
    """Corners of the tiles in which two pictures differ to the eye; the corner (-1, -1) if one is larger."""
    if one.size != other.size:
        return [(-1, -1)]
    soft = [
        numpy.asarray(picture.convert("RGB").filter(ImageFilter.BoxBlur(1)), dtype=numpy.int16)
        for picture in (one, other)
    ]
    wrong = (numpy.abs(soft[0] - soft[1]).max(axis=2) > STEP).astype(float)
    height, width = (size // TILE * TILE for size in wrong.shape)
    tiles = (
        wrong[:height, :width].reshape(height // TILE, TILE, width // TILE, TILE).mean(axis=(1, 3))
    )
    return [(int(x) * TILE, int(y) * TILE) for y, x in numpy.argwhere(tiles > MOST)]


def key_pages(addresses: dict[str, str]) -> Iterator[tuple[str, str, str]]:
    """Name, address and view of each key page."""
    for name, (book, path, view) in KEY.items():
        yield name, addresses[book] + path, view


def main() -> None:
    """Build both books and write every picture that differs from the stored one."""
    BASELINE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        tree = trialbook.write(served.ROOT, Path(work, "trial"))
        site, trial = served.build(served.ROOT, Path(work, "site")), served.build(tree, tree)
        with (
            served.serve(site) as one,
            served.serve(trial) as other,
            views.chromium(*views.STEADY) as browser,
        ):
            for name, address, view in key_pages({"site": one, "trial": other}):
                path = BASELINE / f"{name}.png"
                found = photograph(browser, view, address)
                if not path.exists() or differs(Image.open(path), found):
                    store(found, path)
                    print(f"{path.relative_to(served.ROOT)}: look at it")


if __name__ == "__main__":
    if sys.argv[1:]:
        sys.exit(__doc__)
    main()

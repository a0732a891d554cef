"""Graphviz pictures as inline SVG that takes its colours and letters from the page.

Sphinx would embed them as `<object>`, which knows nothing of dark mode and has no text alternative.
Structure is in the page's dot source, looks are in site.css: a node or edge says only its `class`.
"""

from __future__ import annotations

import hashlib
import re
from html import escape, unescape
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ExtensionError
from sphinx.ext import graphviz
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

logger = logging.getLogger(__name__)

WORDS = (
    re.compile(r'<svg[^>]*\saria-label="([^"]+)"'),
    re.compile(r"<title>\s*([^<]+?)\s*</title>"),
)

DOT_ARGS = ["-Gbgcolor=transparent", "-Gfontname=Helvetica", "-Nfontname=Helvetica"]
DOT_ARGS += ["-Efontname=Helvetica", "-Nshape=box", "-Nstyle=rounded", "-Nfontsize=13"]
DOT_ARGS += [
    "-Efontsize=11.5",
    "-Gfontsize=11.5",
    "-Nheight=0.42",
    "-Nmargin=0.16,0.07",
    "-Earrowsize=0.7",
]

# What dot writes and what the page needs: paint that follows the theme, no ids (two pictures on a
# page would share them), no titles (a browser would show "a->b" as a tooltip).
REWRITES = (
    (re.compile(r"^.*?(?=<svg)", re.DOTALL), ""),
    (re.compile(r"<!--.*?-->\n?", re.DOTALL), ""),
    (re.compile(r"<title>.*?</title>\n?", re.DOTALL), ""),
    (re.compile(r' id="[^"]*"'), ""),
    (re.compile(r' (font-family|role|aria-label)="[^"]*"'), ""),
    (re.compile(r'="(black|#000000)"'), '="currentColor"'),
    (re.compile(r"<text(?![^>]*fill=)"), '<text fill="currentColor"'),
)

# Paints that lab.pictures stores, which read on white and on black, and what the page has in their place.
PAINTS = {
    "#767676": "--pst-color-text-muted",
    "#ffffff": "--pst-color-on-background",
    "#e8eef7": "--blue-bg",
    "#1a1a1a": "--pst-color-text-base",
    "#2e8b57": "--good",
    "#d0453e": "--bad",
    "#3a7fc1": "--a4",
    "#4a86c5": "--a4",
    "#d08020": "--root",
    "#4f9d69": "--good",
    "#a06bc1": "--a5",
}
# What an SVG file says of itself, and a style that would hold for the whole page.
OF_A_FILE = re.compile(
    r"\A(?!<svg).*?(?=<svg)|<metadata>.*?</metadata>|<title>.*?</title>|<style[^>]*>\*\{.*?</style>",
    re.DOTALL,
)
LETTERS = "var(--pst-font-family-heading, sans-serif)"
PIXELS = {"": 1.0, "px": 1.0, "pt": 4 / 3}

# It may be wider than a phone; a part that scrolls must be reachable by keyboard.
FRAME = '<div class="picture" tabindex="0">'


def inline(svg: str, label: str) -> str:
    """Turn dot's SVG file into an element of the page that says in words what it shows."""
    for pattern, replacement in REWRITES:
        svg = pattern.sub(replacement, svg)
    width = re.search(r'width="(\d+)pt"', svg)
    if width is None:
        raise ExtensionError("dot wrote an SVG without a width")
    size = f'style="--width:{int(width[1]) / 12:.2f}em"'
    svg = re.sub(r'width="\d+pt" height="\d+pt"', size, svg, count=1)
    svg = svg.replace("<svg", f'<svg role="img" aria-label="{escape(label)}"', 1)
    return f"{FRAME}{svg}</div>"


def own_ids(svg: str) -> str:
    """Drop the ids that nothing in the picture refers to; the others become its own, as a page may have several."""
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', svg))
    mark = hashlib.sha256(svg.encode()).hexdigest()[:6]
    svg = re.sub(r'\sid="([^"]+)"', lambda i: f' id="{mark}-{i[1]}"' if i[1] in used else "", svg)
    return re.sub(r'(url\(#|href="#)', rf"\g<1>{mark}-", svg)


def words_of(svg: str) -> str | None:
    """What an SVG file says in words, as a label or as its title."""
    found = next(filter(None, (words.search(svg) for words in WORDS)), None)
    return unescape(found[1]) if found else None


def themed(svg: str) -> str:
    """Turn a stored SVG file into an element that follows the page. Raises `ExtensionError` without words."""
    label = words_of(svg)
    if label is None:
        raise ExtensionError("a picture needs words: aria-label or title in its SVG")
    svg = own_ids(OF_A_FILE.sub("", svg))
    paint = re.compile("|".join(PAINTS))
    svg = paint.sub(lambda found: f"var({PAINTS[found[0]]}, {found[0]})", svg)
    svg = svg.replace("'DejaVu Sans'", "'Source Sans 3', 'DejaVu Sans'").replace(
        "sans-serif", LETTERS
    )
    head, rest = svg.split(">", 1)
    width = re.search(r'\swidth="([\d.]+)(px|pt|)"', head)
    if width is None:
        raise ExtensionError("a picture without a width")
    head = re.sub(r'\s(width|height|role|aria-label)="[^"]*"', "", head)
    said = f'role="img" aria-label="{escape(label)}"'
    size = f"--width:{float(width[1]) * PIXELS[width[2]] / 14.4:.2f}em"
    return f'{FRAME}{head} {said} style="{size}">{rest}</div>'


def draw(self: HTML5Translator, node: graphviz.graphviz) -> None:
    """Draw one picture into the page."""
    if not node.get("alt"):
        raise ExtensionError(f"{node.source}:{node.line}: a graphviz picture needs :alt:")
    _, path = graphviz.render_dot(self, node["code"], node["options"], "svg")
    if path is None:
        raise ExtensionError("no `dot` program; install the Debian package graphviz")
    self.body.append(inline(Path(path).read_text(encoding="utf-8"), node["alt"]))
    raise nodes.SkipNode


def show_outputs(app: Sphinx, doctree: nodes.document, _page: str) -> None:
    """Treat the pictures that notebook cells printed likewise: words for all, paint for dot's."""
    for image in list(doctree.findall(nodes.image)):
        path = Path(app.srcdir, image["uri"])
        if "alt" in image or not path.is_file():
            continue
        svg = path.read_text("utf-8") if path.suffix == ".svg" else ""
        found = words_of(svg)
        if found is None:
            logger.warning("a picture needs words: aria-label or title in its SVG", location=image)
        elif 'class="graph"' in svg:
            image.replace_self(nodes.raw("", inline(svg, found), format="html"))
        else:
            image.replace_self(nodes.raw("", themed(svg), format="html"))


def set_dot_arguments(_app: Sphinx, config: Config) -> None:
    """Give every picture the same measures; a page may override them in its dot source."""
    config.graphviz_dot_args = DOT_ARGS


def setup(app: Sphinx) -> None:
    """Take the HTML of pictures over from Sphinx's own extension."""
    app.setup_extension("sphinx.ext.graphviz")
    app.connect("config-inited", set_dot_arguments)
    app.add_node(graphviz.graphviz, override=True, html=(draw, None))
    app.connect("doctree-resolved", show_outputs)

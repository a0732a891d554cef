"""Graphviz pictures as inline SVG that takes its colours and letters from the page.

Sphinx would embed them as `<object>`, which knows nothing of dark mode and has no text alternative.
Structure is in the page's dot source, looks are in site.css: a node or edge says only its `class`.
"""

from __future__ import annotations

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
        found = next(filter(None, (words.search(svg) for words in WORDS)), None)
        if found is None:
            logger.warning("a picture needs words: aria-label or title in its SVG", location=image)
        elif 'class="graph"' in svg:
            image.replace_self(nodes.raw("", inline(svg, unescape(found[1])), format="html"))
        else:
            image["alt"] = unescape(found[1])
            frame = (nodes.raw("", text, format="html") for text in (FRAME, "</div>"))
            image.replace_self([next(frame), image.deepcopy(), next(frame)])


def set_dot_arguments(_app: Sphinx, config: Config) -> None:
    """Give every picture the same measures; a page may override them in its dot source."""
    config.graphviz_dot_args = DOT_ARGS


def setup(app: Sphinx) -> None:
    """Take the HTML of pictures over from Sphinx's own extension."""
    app.setup_extension("sphinx.ext.graphviz")
    app.connect("config-inited", set_dot_arguments)
    app.add_node(graphviz.graphviz, override=True, html=(draw, None))
    app.connect("doctree-resolved", show_outputs)

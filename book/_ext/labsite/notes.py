"""Quotations that begin with a bold `Note.` as boxes.

A MyST directive is raw text in JupyterLab, and so is GitHub's `[!NOTE]`. This form reads well wherever
Markdown does, so it is the one that notebooks use, and the site makes the box of it.
"""

from __future__ import annotations

from docutils import nodes
from sphinx.application import Sphinx

BOXES: dict[str, type[nodes.Admonition]] = {
    "Note": nodes.note,
    "Tip": nodes.tip,
    "Important": nodes.important,
    "Warning": nodes.warning,
    "Caution": nodes.caution,
}


def show_notes(_app: Sphinx, doctree: nodes.document) -> None:
    """Replace the marked quotations of one page."""
    for quote in list(doctree.findall(nodes.block_quote)):
        mark = next(quote.findall(nodes.strong), None)
        if mark is None or mark.parent is not quote[0] or mark.parent.index(mark) != 0:
            continue
        box = BOXES.get(mark.astext().rstrip(".:"))
        if box is not None:
            first = mark.parent
            first.remove(mark)
            if first.children and isinstance(first[0], nodes.Text):
                first[0] = nodes.Text(first[0].lstrip(" .:\n"))
            quote.replace_self(box("", *quote.children))


def setup(app: Sphinx) -> None:
    """Work on each page right after it was read."""
    app.connect("doctree-read", show_notes)

"""Quotations that begin with a bold `Note.` as boxes.

A MyST directive is raw text in JupyterLab, and so is GitHub's `[!NOTE]`. This form reads well
wherever Markdown does, so it is the one that notebooks use, and the site makes the box of it.
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
        # The parser leaves an empty text in front of bold words.
        first = [child for child in quote[0].children if child.astext()] if quote.children else []
        box = BOXES.get(first[0].astext().rstrip(".:")) if first else None
        if box is None or not isinstance(first[0], nodes.strong):
            continue
        if len(first) > 1 and isinstance(first[1], nodes.Text):
            first[1] = nodes.Text(first[1].lstrip(" .:\n"))
        quote[0].children = []
        quote[0] += first[1:]
        quote.replace_self(box("", *(child for child in quote.children if child.astext())))


def setup(app: Sphinx) -> None:
    """Work on each page right after it was read."""
    app.connect("doctree-read", show_notes)

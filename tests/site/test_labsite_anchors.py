"""Places of cells: a link to `NN-name.ipynb#cell-ID` leads to what that cell made."""

from __future__ import annotations

import sys

import served
from docutils import nodes
from docutils.utils import new_document

sys.path.insert(0, str(served.ROOT / "book/_ext"))

from labsite import anchors


def test_a_cell_is_known_by_what_it_made_first() -> None:
    """Code by its container, text by its first paragraph; what lies in no cell has no place."""
    page = new_document("page")
    before, text, more = (nodes.paragraph("", word) for word in ("before", "text", "more"))
    before.line, text.line, more.line = 3, 20000, 20002
    code = nodes.container(nb_element="cell_code", cell_index=2)
    page += [before, text, more, code]
    assert anchors.places(page) == {1: text, 2: code}


def test_sections_come_before_their_text() -> None:
    """A cell that begins with a heading is found at the heading."""
    page = new_document("page")
    section = nodes.section("", nodes.title("", "Title"), nodes.paragraph("", "text"))
    section.line = section[1].line = 10000
    page += section
    assert anchors.places(page) == {0: section}

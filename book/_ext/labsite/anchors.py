"""A place for each cell, so that a page can point at the very step: `07-meta1-conf.ipynb#cell-install`.

The name behind `cell-` is the cell's id in the notebook; no heading begins like that.
"""

from __future__ import annotations

import json
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx

PREFIX = "cell-"
LINES_OF_A_CELL = 10_000
"""MyST-NB counts the lines of a notebook so: the first of cell 0 is 10000, that of cell 1 20000."""
TEXT = (nodes.section, nodes.paragraph, nodes.table, nodes.block_quote, nodes.bullet_list)


def places(doctree: nodes.document) -> dict[int, nodes.Element]:
    """The first thing on the page that a cell made, by the cell's number."""
    found: dict[int, nodes.Element] = {}
    for node in doctree.findall(nodes.Element):
        if isinstance(node, nodes.container) and node.get("nb_element") == "cell_code":
            found[node["cell_index"]] = node
        elif isinstance(node, TEXT) and (node.line or 0) >= LINES_OF_A_CELL:
            found.setdefault(node.line // LINES_OF_A_CELL - 1, node)
    return found


def place_anchors(app: Sphinx, doctree: nodes.document) -> None:
    """Give the cells of one notebook their places, and make them known to MyST's links."""
    path = Path(app.env.doc2path(app.env.docname))
    if path.suffix != ".ipynb":
        return
    names = [str(cell.get("id", "")) for cell in json.loads(path.read_text())["cells"]]
    known = app.env.metadata[app.env.docname].setdefault("myst_slugs", {})
    for number, node in places(doctree).items():
        if number < len(names) and names[number]:
            anchor = PREFIX + names[number]
            node["ids"].append(anchor)
            known[anchor] = (node.line, anchor, names[number])


def setup(app: Sphinx) -> None:
    """Work on each page right after it was read."""
    app.connect("doctree-read", place_anchors)

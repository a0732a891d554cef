"""Repairs of what Jupyter Book and its theme write: a table, each line with its reason.

Larger repairs are the templates in book/_templates, which stand in for the theme's own.
"""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

BODY = (
    # docutils marks bibliographies with roles that the standard has given up (axe reports them).
    (re.compile(r' role="(list|doc-biblioentry)"'), ""),
    # A head without words, above the names of rows, is no head.
    (re.compile(r'<th class="head[^"]*"><p></p></th>'), "<td></td>"),
)

# Long names in narrow tables: a browser breaks them between the parts, not in the middle of a word.
TABLE = re.compile(r"<table\b.*?</table>", re.DOTALL)
NAME = re.compile(r'(?<=<span class="pre">)[^<\s]{13,}(?=</span>)')
PART = re.compile(
    r"(?<=[0-9A-Za-z\])])(?:[_/:=@,]|-+|\.(?=[a-z]{3}))(?=[0-9A-Za-z.])|(?<=[a-z]{2})(?=[A-Z])"
)
RUN = re.compile(r"[0-9a-f]{16}(?=[0-9a-f]{16})")


def drop_empty_headers(_app: Sphinx, doctree: nodes.document) -> None:
    """Remove a table's header row without words: Markdown wants one, readers do not."""
    for head in list(doctree.findall(nodes.thead)):
        if not head.astext().strip():
            head.parent.remove(head)


def break_names(table: re.Match[str]) -> str:
    """Say where the long names of one table may go on in the next line."""
    end = '</span><wbr/><span class="pre">'
    return NAME.sub(
        lambda name: RUN.sub(rf"\g<0>{end}", PART.sub(rf"\g<0>{end}", name[0])), table[0]
    )


def repair_body(
    _app: Sphinx, _page: str, _template: str, context: dict[str, Any], _doctree: nodes.document
) -> None:
    """Apply the table to the page's text, and break the names."""
    for pattern, replacement in BODY:
        context["body"] = pattern.sub(replacement, context.get("body", ""))
    context["body"] = TABLE.sub(break_names, context.get("body", ""))


def drop_thebe(
    _app: Sphinx, _page: str, _template: str, context: dict[str, Any], _doctree: nodes.document
) -> None:
    """Remove Thebe: it would load from another host, and declares a constant twice on each page."""
    for kind in ("script_files", "css_files"):
        context[kind] = [f for f in context.get(kind, ()) if "thebe" not in _text(f).lower()]


def _text(asset: Any) -> str:
    """File name and inline body of an asset; Sphinx keeps the body among the attributes."""
    return f"{getattr(asset, 'filename', asset)} {getattr(asset, 'attributes', '')}"


def setup(app: Sphinx) -> None:
    """Repair late, when the other extensions have had their say."""
    app.connect("doctree-read", drop_empty_headers)
    app.connect("html-page-context", repair_body, priority=900)
    app.connect("html-page-context", drop_thebe, priority=900)

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
)


def drop_empty_headers(_app: Sphinx, doctree: nodes.document) -> None:
    """Remove a table's header row without words: Markdown wants one, readers do not."""
    for head in list(doctree.findall(nodes.thead)):
        if not head.astext().strip():
            head.parent.remove(head)


def repair_body(
    _app: Sphinx, _page: str, _template: str, context: dict[str, Any], _doctree: nodes.document
) -> None:
    """Apply the table to the page's text."""
    for pattern, replacement in BODY:
        context["body"] = pattern.sub(replacement, context.get("body", ""))


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

"""How the site is found: words for links to a page, a site map, and the front door."""

from __future__ import annotations

import re
from html import escape
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape as escape_xml

from docutils import nodes
from sphinx.application import Sphinx

from labsite.cards import SIZE, write_card
from labsite.sending_on import sending_on

LONGEST = 200

WORDS = ("", "The first page", "")


def describe(doctree: nodes.document) -> str:
    """Give the page's first paragraph, cut at a word."""
    for paragraph in doctree.findall(nodes.paragraph):
        if isinstance(paragraph.parent, nodes.section):
            text = re.sub(r"\s+", " ", paragraph.astext()).strip()
            return text if len(text) <= LONGEST else text[:LONGEST].rsplit(" ", 1)[0] + " …"
    return ""


def meta_tags(
    app: Sphinx, page: str, _template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Say in the head of a page what a link to it should show."""
    if doctree is None or app.builder.name != "html":
        return
    description = describe(doctree)
    card = write_card(app, page, description)
    facts = {
        "og:title": app.env.titles[page].astext(),
        "og:type": "website",
        "og:url": app.config.html_baseurl + app.builder.get_target_uri(page),
        "og:site_name": app.config.html_title,
        "og:description": description,
        "og:image": app.config.html_baseurl + card,
        "og:image:width": str(SIZE[0]),
        "og:image:height": str(SIZE[1]),
        "og:image:alt": f"{app.env.titles[page].astext()}: {description}",
    }
    tags = [f'<meta name="description" content="{escape(description)}" />']
    tags += ['<meta name="twitter:card" content="summary_large_image" />']
    tags += [f'<meta property="{k}" content="{escape(v)}" />' for k, v in facts.items()]
    context["metatags"] = context.get("metatags", "") + "\n".join(tags)


def write_front_door(app: Sphinx, failure: Exception | None) -> None:
    """Lead from the bare address to the first page; what would be written instead has no title."""
    if failure is not None or app.builder.name != "html":
        return
    first = app.builder.get_target_uri(app.config.root_doc)
    html = sending_on(app.config.html_title, first, first, app.config.language, WORDS)
    Path(app.outdir, "index.html").write_text(html, encoding="utf-8")


def write_site_map(app: Sphinx, failure: Exception | None) -> None:
    """List every page of the book, also those that this build did not have to write again."""
    if failure is not None or app.builder.name != "html":
        return
    pages = sorted(app.builder.get_target_uri(page) for page in app.env.found_docs)
    urls = "".join(
        f"  <url><loc>{escape_xml(app.config.html_baseurl + page)}</loc></url>\n" for page in pages
    )
    Path(app.outdir, "sitemap.xml").write_text(
        '<?xml version="1.0" encoding="utf-8"?>\n'
        f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{urls}</urlset>\n',
        encoding="utf-8",
    )


def setup(app: Sphinx) -> None:
    """Connect the three."""
    app.connect("html-page-context", meta_tags)
    app.connect("build-finished", write_front_door, priority=400)  # before sphinx-external-toc
    app.connect("build-finished", write_site_map)

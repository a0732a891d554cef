"""Words of the glossary with their meaning at hand: on hover, on focus, at a touch.

A link to the glossary carries the definition as its title, which any browser shows; terms.js shows it better. Notebooks
cannot mark words as pages of MyST can, so on theirs the first mention of each word becomes such a link.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from labsite.mentions import is_open, note_entry

GLOSSARY = "book/glossary"


@dataclass(frozen=True, slots=True)
class Term:
    """A word of the glossary, its place there and what it means, in plain text."""

    word: str
    anchor: str
    meaning: str


def terms(env: BuildEnvironment) -> dict[str, Term]:
    """Words of the glossary by their place."""
    if GLOSSARY not in env.all_docs:
        return {}
    found = {}
    for item in env.get_doctree(GLOSSARY).findall(nodes.definition_list_item):
        word, meaning = item[0], item[-1].astext()
        if word["ids"]:
            text = re.sub(r"\s+", " ", meaning).strip()
            found[word["ids"][0]] = Term(word.astext(), word["ids"][0], text)
    return found


def pattern(known: dict[str, Term]) -> re.Pattern[str]:
    """Find any of the words, also its plural; the longest first."""
    words = sorted((term.word for term in known.values()), key=len, reverse=True)
    forms = "|".join(re.escape(word) for word in words)
    return re.compile(rf"(?<![\w./@-])({forms})(?:s|es)?(?![\w@-]|\.\w)")


def explain_links(doctree: nodes.document, known: dict[str, Term]) -> set[str]:
    """Give the links that a page has itself their meaning; returns which words those are."""
    seen = set()
    for link in doctree.findall(nodes.reference):
        path, _, anchor = str(link.get("refuri", "")).partition("#")
        if anchor in known and path.endswith("glossary.html"):
            seen.add(anchor)
            link["reftitle"] = known[anchor].meaning
            link["classes"].append("term")
    return seen


def is_prose(text: nodes.Text) -> bool:
    """The text of a paragraph, outside of a chapter's head."""
    node = text.parent
    if not isinstance(node, nodes.paragraph) or not is_open(text):
        return False
    while node is not None and "chapter-head" not in node.get("classes", ()):
        node = node.parent
    return node is None


def link_words(
    app: Sphinx, doctree: nodes.document, page: str, known: dict[str, Term], seen: set[str]
) -> None:
    """Make the first mention of each other word in the text of a chapter a link."""
    by_word, words = {term.word: term for term in known.values()}, pattern(known)
    base = app.builder.get_relative_uri(page, GLOSSARY)
    for text in [t for t in doctree.findall(nodes.Text) if is_prose(t)]:
        parts: list[nodes.Node] = []
        end = 0
        for match in words.finditer(text):
            term = by_word[match[1]]
            if term.anchor in seen:
                continue
            seen.add(term.anchor)
            uri = f"{base}#{term.anchor}"
            link = nodes.reference(
                "", match[0], internal=True, refuri=uri, reftitle=term.meaning, classes=["term"]
            )
            parts += [nodes.Text(text[end : match.start()]), link]
            end = match.end()
        if parts:
            text.parent.replace(text, [*parts, nodes.Text(text[end:])])


def show_terms(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Explain the words of one page."""
    known = terms(app.env)
    if not known or page == GLOSSARY:
        return
    seen = explain_links(doctree, known)
    if page.startswith("notebooks/"):
        link_words(app, doctree, page, known, seen)


def note_words(app: Sphinx, doctree: nodes.document) -> None:
    """Tell the search of the words of the glossary."""
    if app.env.docname == GLOSSARY:
        for word in doctree.findall(nodes.term):
            if word["ids"]:
                note_entry(app.env, word.astext(), word["ids"][0])


def setup(app: Sphinx) -> None:
    """Work on each page once its links are resolved."""
    app.connect("doctree-read", note_words)
    app.connect("doctree-resolved", show_terms, priority=600)

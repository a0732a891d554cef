"""Names in prose lead to what is said of them: options, tags of the access map, programs, sections of RFCs.

The known names are those of the reference pages, which are made from the code, so no list of them is kept here. A name
is linked once a section; headings, code and what is a link already are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from typing import cast

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.domains.std import StandardDomain
from sphinx.environment import BuildEnvironment

OPTIONS, ACCESS, TOOLS, REPLIES, LOG = (
    f"book/reference/{name}" for name in ("options", "access-map", "tools", "replies", "log")
)
RFC = re.compile(r"RFC (\d{3,5})(?:(?:,? section |,? §|,? )(\d+(?:\.\d+)*)(?![\d.]*\d))?")
SETTING = re.compile(r"([A-Za-z][\w.:]*?)(?: ?= ?.*)?;?")
CLOSED = (
    nodes.title,
    nodes.reference,
    nodes.literal,
    nodes.literal_block,
    nodes.term,
    nodes.raw,
    nodes.label,
)
"""Nothing within one of these is made a link."""
KNOWN = "labsite_names"
"""Where a build keeps the names."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a name is explained: page, place on it, the heading it stands under, and what is said there in short."""

    page: str
    anchor: str
    heading: str
    meaning: str


def heading_of(node: nodes.Node) -> str:
    """Title of the section in which a node stands, with those around it."""
    titles = []
    while node is not None:
        if isinstance(node, nodes.section) and isinstance(node[0], nodes.title):
            titles.append(node[0].astext())
        node = node.parent
    return " ".join(titles)


def is_first_cell(literal: nodes.Node) -> bool:
    """The node stands in the first column of a table."""
    entry = literal.parent
    while entry is not None and not isinstance(entry, nodes.entry):
        entry = entry.parent
    return entry is not None and entry.parent.index(entry) == 0


def slug(name: str) -> str:
    """Part of an id; unlike docutils' own it keeps digits, so that replies have one."""
    return re.sub(r"[^0-9a-z]+", "-", name.lower()).strip("-")


def note_entry(env: BuildEnvironment, name: str, anchor: str) -> None:
    """Tell the search of an entry; of several with one name the first is the one to find."""
    standard = cast(StandardDomain, env.get_domain("std"))
    if ("entry", name) not in standard.objects:
        standard.note_object("entry", name, anchor)


def place_entries(app: Sphinx, doctree: nodes.document) -> None:
    """Give each name of a table on a reference page a place of its own."""
    if app.env.docname not in (OPTIONS, ACCESS, REPLIES, LOG):
        return
    taken = set(doctree.ids)
    for section in doctree.findall(nodes.section):
        for table in (child for child in section.children if isinstance(child, nodes.table)):
            for row in table.findall(nodes.row):
                literal = next(iter(row[0].findall(nodes.literal)), None)
                anchor = f"{section['ids'][0]}-{slug(literal.astext())}" if literal else ""
                if literal and anchor not in taken:
                    taken.add(anchor)
                    literal["ids"].append(anchor)
                    # A reply is looked for by its code.
                    name = (
                        literal.astext().split()[0]
                        if app.env.docname == REPLIES
                        else literal.astext()
                    )
                    note_entry(app.env, name, anchor)


def in_short(meaning: nodes.Element) -> str:
    """Plain words of what is said of a name, up to the first line break: behind it stands the form of its value."""
    paragraph = next(iter(meaning.findall(nodes.paragraph)), None)
    parts = takewhile(
        lambda part: not isinstance(part, nodes.raw), paragraph.children if paragraph else []
    )
    return re.sub(r"\s+", " ", "".join(part.astext() for part in parts)).strip()


def entries(env: BuildEnvironment) -> dict[str, list[Entry]]:
    """Every name that has an entry in the reference, with all its entries in their order."""
    known: dict[str, list[Entry]] = {}
    for page in (OPTIONS, ACCESS):
        if page in env.all_docs:
            for row in env.get_doctree(page).findall(nodes.row):
                for literal in [n for n in row[0].findall(nodes.literal) if n["ids"]]:
                    entry = Entry(page, literal["ids"][-1], heading_of(literal), in_short(row[-1]))
                    known.setdefault(literal.astext(), []).append(entry)
    if TOOLS in env.all_docs:
        for section in env.get_doctree(TOOLS).findall(nodes.section):
            for literal in section[0].findall(nodes.literal):
                entry = Entry(TOOLS, section["ids"][0], "", in_short(section))
                known.setdefault(literal.astext(), []).append(entry)
    return known


def known_names(app: Sphinx) -> dict[str, list[Entry]]:
    """The entries, found once a build, after all pages have been read."""
    if KNOWN not in vars(app):
        vars(app)[KNOWN] = entries(app.env)
    known: dict[str, list[Entry]] = vars(app)[KNOWN]
    return known


def is_meant(literal: nodes.literal, name: str, entry: Entry) -> bool:
    """Say whether a plain word such as `user` means the option: as a line of a table, or where the text says so."""
    if entry.page != OPTIONS or re.search("[_A-Z]", name):
        return True
    around = literal.parent.astext()
    beside = rf"option {re.escape(name)}\b|\b{re.escape(name)} option"
    return is_first_cell(literal) or re.search(beside, around) is not None


def best(found: list[Entry], literal: nodes.literal) -> Entry:
    """Among several options of a name the one whose section the text around speaks of; else the first."""
    if len(found) == 1:
        return found[0]
    around = set(re.findall(r"\w+", f"{heading_of(literal)} {literal.parent.astext()}"))

    def fits(entry: Entry) -> int:
        return len(
            around & set(re.findall(r"\w+", entry.heading)) - {"Section", "Options", "in", "of"}
        )

    return max(found, key=fits)


def section_of(node: nodes.Node) -> nodes.Node | None:
    """Nearest section around a node."""
    while node is not None and not isinstance(node, nodes.section):
        node = node.parent
    return node


def is_open(node: nodes.Node) -> bool:
    """Nothing around the node forbids a link."""
    node = node.parent
    while node is not None:
        if isinstance(node, CLOSED):
            return False
        node = node.parent
    return True


def link_names(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Link the names of one page, each once a section."""
    known, seen = known_names(app), set()
    for literal in list(doctree.findall(nodes.literal)):
        setting = SETTING.fullmatch(literal.astext())
        name = setting[1] if setting else ""
        found = [entry for entry in known.get(name, []) if entry.page != page]
        explained_here = page.startswith("book/reference/") and is_first_cell(literal)
        if not found or explained_here or not is_open(literal):
            continue
        entry = best(found, literal)
        once = (entry, section_of(literal))
        if once in seen or not is_meant(literal, name, entry):
            continue
        seen.add(once)
        uri = app.builder.get_relative_uri(page, entry.page) + f"#{entry.anchor}"
        link = nodes.reference(
            "", "", internal=True, refuri=uri, reftitle=entry.meaning, classes=["mention"]
        )
        literal.parent.replace(literal, link)  # replace_self would give it the literal's ids, too
        link += literal


def rfc_link(match: re.Match[str]) -> nodes.reference:
    """Give the link to an RFC, or to a section of it, where the RFC editor publishes it."""
    place = f"#section-{match[2]}" if match[2] else ""
    uri = f"https://www.rfc-editor.org/rfc/rfc{match[1]}{place}"
    return nodes.reference("", match[0], refuri=uri, classes=["mention"])


def with_links(text: str, seen: set[object], section: nodes.Node | None) -> Iterator[nodes.Node]:
    """A text cut at the RFCs it names, which are links unless this section has that link already."""
    end = 0
    for match in RFC.finditer(text):
        once = (match[0], section)
        if once not in seen:
            seen.add(once)
            yield nodes.Text(text[end : match.start()])
            yield rfc_link(match)
            end = match.end()
    yield nodes.Text(text[end:])


def link_rfcs(_app: Sphinx, doctree: nodes.document, _page: str) -> None:
    """Link the RFCs that a page names in its text, each once a section."""
    seen: set[object] = set()
    for text in [t for t in doctree.findall(nodes.Text) if "RFC " in t and is_open(t)]:
        parts = [part for part in with_links(text, seen, section_of(text)) if part.astext()]
        text.parent.replace(text, parts)


def setup(app: Sphinx) -> None:
    """Places when a page was read, links when all pages are."""
    app.add_object_type("entry", "entry", objname="entry")
    app.connect("doctree-read", place_entries)
    app.connect("doctree-resolved", link_names)
    app.connect("doctree-resolved", link_rfcs)

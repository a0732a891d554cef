"""Read the built pages: what they link to, what they hold, what they would load."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

LOADS = {"script": "src", "img": "src", "iframe": "src", "source": "src", "object": "data"}
"""Attributes that make a browser fetch something by itself; `link` depends on its `rel`."""

FETCHED = {"stylesheet", "icon", "preload", "modulepreload", "manifest"}


@dataclass(slots=True)
class Markup:
    """What one page has."""

    ids: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    metas: dict[str, str] = field(default_factory=dict)


class Reader(HTMLParser):
    """Collects a page's `Markup`."""

    def __init__(self) -> None:
        """Begin with an empty page."""
        super().__init__()
        self.found = Markup()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take down what matters of one element."""
        have = {name: value or "" for name, value in attrs}
        if "id" in have:
            self.found.ids.add(have["id"])
        if tag == "a" and "href" in have:
            self.found.links.append(have["href"])
        if tag in LOADS and LOADS[tag] in have:
            self.found.loads.append(have[LOADS[tag]])
        if tag == "link" and FETCHED & set(have.get("rel", "").split()):
            self.found.loads.append(have["href"])
        if tag == "meta" and "content" in have:
            self.found.metas[have.get("property", have.get("name", ""))] = have["content"]


def read(page: Path) -> Markup:
    """Read one page."""
    reader = Reader()
    reader.feed(page.read_text(encoding="utf-8"))
    return reader.found


def read_all(site: Path) -> dict[str, Markup]:
    """Read every page of a site; the key is its path."""
    found = sorted(site.rglob("*.html"))
    return {
        str(page.relative_to(site)): read(page) for page in found if "_static" not in page.parts
    }

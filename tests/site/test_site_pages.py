"""The built pages as files: all there, nothing else there, every link leads somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import markup
import pytest
import served
import yaml
from markup import Markup

TOC = (served.ROOT / "_toc.yml").read_text()
CONFIG = yaml.safe_load((served.ROOT / "_config.yml").read_text())
BASE = str(CONFIG["html"]["baseurl"])
MOVED = CONFIG["sphinx"]["config"]["redirects"]
LISTED = [page for page in served.pages(TOC) if page not in served.BESIDE]


@pytest.fixture(scope="session")
def book(site: Path) -> dict[str, Markup]:
    """The real book's pages, read."""
    return markup.read_all(site)


def test_site_has_the_pages_of_the_toc(book: dict[str, Markup]) -> None:
    """No page is missing, and none is published that the toc does not name."""
    moved = {f"{old}.html" for old in MOVED}
    assert set(book) == {*LISTED, *served.BESIDE, "index.html", *moved}


def test_old_addresses_lead_to_their_pages(book: dict[str, Markup], site: Path) -> None:
    """Each line of the table of redirects is a page that sends its reader to the new one."""
    for old, new in MOVED.items():
        html = (site / f"{old}.html").read_text(encoding="utf-8")
        target = re.search(r'http-equiv="refresh" content="0; url=([^"]+)"', html)
        assert target, old
        assert urljoin(f"{old}.html", target[1]) == f"{new}.html"


def test_nothing_of_the_lab_is_published(site: Path) -> None:
    """Neither keys nor state nor sources of the lab get into the site."""
    names = [str(path.relative_to(site)) for path in site.rglob("*")]
    wrong = re.compile(r"(^|/)(\.lab|\.venv|lab|tests|host_key|key)(/|$)|\.py$|\.pem$")
    assert [name for name in names if wrong.search(name)] == []


def test_links_lead_somewhere(book: dict[str, Markup], site: Path) -> None:
    """Every link within the site has its file, and every anchor its place on that page."""
    broken = []
    for page, found in book.items():
        for link in found.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            path = unquote(urljoin(page, parts.path)).removeprefix("/") if parts.path else page
            path = path or "index.html"
            if not (site / path).is_file():
                broken.append(f"{page}: {link}")
            elif parts.fragment and path in book and parts.fragment not in book[path].ids:
                broken.append(f"{page}: {link} (no such place)")
    assert broken == []


def test_pages_load_nothing_from_elsewhere(book: dict[str, Markup]) -> None:
    """No page asks another host for anything, not even for what a browser fetches later."""
    assert [
        (page, url) for page, found in book.items() for url in found.loads if urlsplit(url).netloc
    ] == []


@pytest.mark.parametrize("listing", ["glossary", "references"])
def test_listed_things_are_used(book: dict[str, Markup], site: Path, listing: str) -> None:
    """Each word of the glossary and each source is linked from another page of the book."""
    page = f"book/{listing}.html"
    html = (site / page).read_text(encoding="utf-8")
    entries = set(re.findall(r'<dt id="(term-[^"]+)"|class="citation" id="([^"]+)"', html))
    entries = {term or source for term, source in entries}
    linked = {
        urlsplit(link).fragment
        for other, found in book.items()
        if other != page
        for link in found.links
        if link.split("#")[0].endswith(f"{listing}.html")
    }
    assert entries, "the page lists something"
    assert entries - linked == set()


@pytest.mark.parametrize("page", LISTED)
def test_page_can_be_shared(book: dict[str, Markup], page: str) -> None:
    """A link to a page shows its title and its first words, under its one address."""
    metas = book[page].metas
    assert metas["og:url"] == BASE + page
    assert metas["og:title"]
    assert 40 < len(metas["og:description"]) < 210
    assert metas["description"] == metas["og:description"]


def test_site_map_is_complete(site: Path) -> None:
    """The site map lists every page of the toc and no other."""
    listed = re.findall(r"<loc>(.*?)</loc>", (site / "sitemap.xml").read_text())
    assert sorted(listed) == sorted(BASE + page for page in LISTED)


def test_nothing_changed_writes_no_page(trial: Path) -> None:
    """Building again with nothing changed leaves every page as it is."""
    pages = {page: page.stat().st_mtime_ns for page in trial.rglob("*.html")}
    tree = str(trial.parents[1])
    command = [str(Path(sys.executable).parent / "jupyter-book"), "build", tree, "-n", "-W"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    changed = {page.name for page, time in pages.items() if page.stat().st_mtime_ns != time}
    assert changed <= {"index.html", "404.html", "search.html"}

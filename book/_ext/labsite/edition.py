"""The whole book as one page, and as a PDF: `python -m labsite.edition _build/html _build/book.pdf` (`make pdf`).

Made from the pages of the site as they are, so that paper says what the screen says: their articles one after the
other, with ids and links that fit into one page. Debian's Chromium prints it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from posixpath import normpath
from urllib.parse import urlsplit

from bs4 import BeautifulSoup, Tag

LEFT_OUT = ".headerlink, .run-it, #go-on, .pause, script, button, .mail-path.tall"
TITLE = "MeTA1 with Cyrus IMAP"
CHROMIUM = "/usr/bin/chromium"
FOOT = (
    '<div style="width:100%;font:8px sans-serif;color:#666;padding:0 16mm;display:flex;justify-content:space-between">'
    '<span>MeTA1 with Cyrus IMAP</span><span class="pageNumber"></span></div>'
)
COVER = """
<section class="paper-cover"><img src="_static/logo.svg" alt=""><h1>{title}</h1>
<p>{count} pages of the site, printed one after the other.</p></section>
"""


def pages_of(site: Path) -> list[str]:
    """Pages in reading order, as the list of chapters in the site's first page has them."""
    first = BeautifulSoup((site / "book/index.html").read_text("utf-8"), "html.parser")
    links = first.select(".bd-sidebar-primary nav.bd-links a.reference.internal")
    found = [normpath(f"book/{link['href']}".split("#")[0]) for link in links]
    return list(dict.fromkeys(["book/index.html", *found]))


def anchor(page: str, place: str = "") -> str:
    """Id in the one page of what was a page, or a place on it."""
    name = page.removesuffix(".html").replace("/", "-")
    return f"{name}--{place}" if place else name


def articles(site: Path) -> dict[str, Tag]:
    """The text of each page, in reading order, without what needs a screen. Raises `ValueError` if one has none."""
    found = {}
    for page in pages_of(site):
        soup = BeautifulSoup((site / page).read_text("utf-8"), "html.parser")
        part = soup.select_one("article.bd-article")
        if part is None:
            raise ValueError(f"{page} has no article")
        for unused in part.select(LEFT_OUT):
            unused.decompose()
        for folded in part.select("details"):
            folded["open"] = ""
        found[page] = part
    return found


def title_of(part: Tag) -> str:
    """The title of a page's text."""
    heading = part.select_one("h1")
    return heading.get_text().strip() if heading else ""


def joined(page: str, part: Tag, known: set[str]) -> str:
    """Give the text of one page, its ids and links rewritten for a page that has them all."""
    # Within a picture ids are its own already (labsite.pictures).
    for element in [e for e in part.select("[id]") if not e.find_parent("svg")]:
        element["id"] = anchor(page, str(element["id"]))
    for link in part.select("a[href]"):
        link["href"] = rewritten(page, str(link["href"]), known)
    for image in part.select("img[src]"):
        image["src"] = normpath(str(PurePosixPath(page).parent / str(image["src"])))
        image.attrs.pop("loading", None)
    part["id"] = anchor(page)
    return str(part)


def rewritten(page: str, href: str, known: set[str]) -> str:
    """A link that leads to the same place within the one page, or out of it as before."""
    parts = urlsplit(href)
    if parts.scheme:
        return href
    target = normpath(str(PurePosixPath(page).parent / parts.path)) if parts.path else page
    return f"#{anchor(target, parts.fragment)}" if target in known else href


def whole(site: Path) -> str:
    """Put all pages into one."""
    found = articles(site)
    first = BeautifulSoup((site / "book/index.html").read_text("utf-8"), "html.parser")
    styles = [str(link["href"]) for link in first.select('link[rel="stylesheet"]')]
    sheets = "".join(
        f'<link rel="stylesheet" href="{normpath(f"book/{style}".split("?")[0])}">'
        for style in dict.fromkeys(styles)
    )
    cover = COVER.format(title=TITLE, count=len(found))
    body = "".join(joined(page, part, set(found)) for page, part in found.items())
    head = f'<meta charset="utf-8"><title>{TITLE}</title>{sheets}'
    start = f'<!DOCTYPE html><html lang="en" data-theme="light"><head>{head}</head>'
    return f'{start}<body class="whole-book">{cover}{body}</body></html>'


def dead_links(page: str) -> Iterator[str]:
    """Links within the one page that lead nowhere."""
    ids = set(re.findall(r'\bid="([^"]+)"', page))
    yield from (link for link in re.findall(r'<a [^>]*href="#([^"]+)"', page) if link not in ids)


def print_pdf(page: Path, target: Path) -> None:
    """Print a page of this host's own with Debian's Chromium: A4, tagged, with an outline of its headings."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        tab = browser.new_page()
        tab.goto(page.absolute().as_uri())
        tab.evaluate("document.fonts.ready")
        tab.pdf(
            path=target,
            format="A4",
            margin={"top": "18mm", "bottom": "18mm", "left": "18mm", "right": "18mm"},
            display_header_footer=True,
            header_template="<span></span>",
            footer_template=FOOT,
            print_background=True,
            tagged=True,
            outline=True,
        )
        browser.close()


def main(site: str, target: str) -> None:
    """Write the one page into the site's folder, where its pictures are, and print it."""
    page = Path(site, "whole-book.html")
    text = whole(Path(site))
    if dead := sorted(set(dead_links(text))):
        sys.exit(f"links that lead nowhere in the whole book: {', '.join(dead)}")
    page.write_text(text, encoding="utf-8")
    try:
        print_pdf(page, Path(target))
    finally:
        page.unlink()
    print(f"{target}: {Path(target).stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""The book for reading devices: `python -m labsite.epub _build/html _build/book.epub` (`make epub`).

EPUB 3, made from the pages of the site like the PDF: one XHTML file a page, the pictures they show, a style sheet of
its own without scripts and typefaces. Same site, same bytes.
"""

from __future__ import annotations

import mimetypes
import os
import re
import sys
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from html import escape
from pathlib import Path, PurePosixPath
from posixpath import normpath
from urllib.parse import urlsplit

from bs4 import Tag

from labsite.edition import TITLE, articles, title_of

STYLE = Path(__file__).with_name("epub.css")
NAME = "urn:uuid:4d455441-3120-4379-8275-7320494d4150"
XHTML = "http://www.w3.org/1999/xhtml"
PAGE = (
    '<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE html>\n'
    f'<html xmlns="{XHTML}" xmlns:epub="http://www.idpf.org/2007/ops" lang="en" xml:lang="en">'
    '<head><title>{title}</title><link rel="stylesheet" href="book.css"/></head><body>{body}</body></html>\n'
)
CONTAINER = (
    '<?xml version="1.0"?>\n<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container">'
    '<rootfiles><rootfile full-path="EPUB/book.opf" media-type="application/oebps-package+xml"/></rootfiles>'
    "</container>\n"
)
OPF = """<?xml version="1.0" encoding="utf-8"?>
<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="name" xml:lang="en">
<metadata xmlns:dc="http://purl.org/dc/elements/1.1/">
<dc:identifier id="name">{name}</dc:identifier><dc:title>{title}</dc:title><dc:language>en</dc:language>
<meta property="dcterms:modified">{modified}</meta>
</metadata>
<manifest>
{items}
</manifest>
<spine>{spine}</spine>
</package>
"""
# HTML does not mind the case of names, XML does; these are all that our pictures use.
SVG_NAMES = (
    *(
        "viewBox",
        "preserveAspectRatio",
        "clipPath",
        "clipPathUnits",
        "linearGradient",
        "gradientUnits",
    ),
    *("patternUnits", "patternContentUnits", "patternTransform"),
)
OLD_ATTRIBUTES = ("align", "valign", "border", "tabindex", "loading", "target")


def file_of(page: str) -> str:
    """Name of a page's file: notebooks-07-meta1-conf.xhtml."""
    return page.removesuffix(".html").replace("/", "-") + ".xhtml"


def relink(page: str, part: Tag, pages: set[str]) -> None:
    """Let links lead to the files of this book; what is not in it is no link any more."""
    for link in part.select("a[href]"):
        parts = urlsplit(str(link["href"]))
        target = normpath(str(PurePosixPath(page).parent / parts.path)) if parts.path else page
        if parts.scheme:
            continue
        if target in pages:
            link["href"] = file_of(target) + (f"#{parts.fragment}" if parts.fragment else "")
        else:
            link.unwrap()


def take_pictures(page: str, part: Tag, site: Path, files: dict[str, bytes]) -> None:
    """Put the pictures of a page beside it."""
    for image in part.select("img[src]"):
        source = normpath(str(PurePosixPath(page).parent / str(image["src"])))
        name = "pictures/" + PurePosixPath(source).name
        files[name] = (site / source).read_bytes()
        image["src"] = name
        image["alt"] = image.get("alt") or ""


def as_xml(part: Tag) -> str:
    """Write a part of a page as XML."""
    for element in [part, *part.find_all(True)]:
        for name in [n for n in element.attrs if n in OLD_ATTRIBUTES or n.startswith("data-")]:
            del element[name]
    for svg in part.select("svg"):
        svg["xmlns"] = "http://www.w3.org/2000/svg"
    text = str(part)
    for name in SVG_NAMES:
        text = re.sub(rf"(</?|\s){name.lower()}(?=[\s>=])", rf"\g<1>{name}", text)
    return text


def contents(titles: Mapping[str, str]) -> str:
    """List the pages, as a reading device shows them."""
    lines = "".join(
        f'<li><a href="{file_of(page)}">{escape(title)}</a></li>' for page, title in titles.items()
    )
    return f'<nav epub:type="toc" id="toc"><h1>Contents</h1><ol>{lines}</ol></nav>'


def item(name: str, content: bytes) -> str:
    """One line of the list of files."""
    kind = "application/xhtml+xml" if name.endswith(".xhtml") else mimetypes.guess_type(name)[0]
    known = [
        "nav" if name == "contents.xhtml" else "",
        "svg" if name.endswith(".xhtml") and b"<svg" in content else "",
    ]
    said = " ".join(filter(None, known))
    properties = f' properties="{said}"' if said else ""
    ident = re.sub(r"[^\w.-]", "-", name)
    return f'<item id="f-{ident}" href="{name}" media-type="{kind}"{properties}/>'


def book(site: Path, modified: datetime) -> dict[str, bytes]:
    """All files of the book below EPUB/, by name."""
    files: dict[str, bytes] = {}
    found = articles(site)
    titles = {page: title_of(part) for page, part in found.items()}
    for page, part in found.items():
        relink(page, part, set(found))
        take_pictures(page, part, site, files)
        files[file_of(page)] = PAGE.format(title=escape(titles[page]), body=as_xml(part)).encode()
    files["contents.xhtml"] = PAGE.format(title="Contents", body=contents(titles)).encode()
    files["book.css"] = STYLE.read_bytes()
    items = "\n".join(item(name, content) for name, content in sorted(files.items()))
    spine = "".join(f'<itemref idref="f-{file_of(page)}"/>' for page in found)
    opf = OPF.format(
        name=NAME, title=TITLE, modified=f"{modified:%Y-%m-%dT%H:%M:%SZ}", items=items, spine=spine
    )
    return {**files, "book.opf": opf.encode()}


def write(files: Mapping[str, bytes], target: Path) -> None:
    """Pack the book; the type comes first and is not compressed, and no file has a time of its own."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed:
        kind = zipfile.ZipInfo("mimetype")
        packed.writestr(kind, "application/epub+zip", zipfile.ZIP_STORED)
        packed.writestr(zipfile.ZipInfo("META-INF/container.xml"), CONTAINER, zipfile.ZIP_DEFLATED)
        for name, content in sorted(files.items()):
            packed.writestr(zipfile.ZipInfo(f"EPUB/{name}"), content, zipfile.ZIP_DEFLATED)


def main(site: str, target: str) -> None:
    """Make the book; its time is that of SOURCE_DATE_EPOCH, else of the site's first page."""
    made = os.environ.get("SOURCE_DATE_EPOCH") or Path(site, "book/index.html").stat().st_mtime
    write(book(Path(site), datetime.fromtimestamp(float(made), UTC)), Path(target))
    print(f"{target}: {Path(target).stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main(*sys.argv[1:])

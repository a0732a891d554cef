"""One style sheet and one script for all pages, in place of the thirty files of Sphinx, theme and extensions.

A phone on a slow net asks for six files at a time, and shows nothing before the last style sheet and script of a page's
head is there. Order and content stay; the script runs when the page is read (`defer`), as all of them allow. Left out
are rules that match nothing on any page (`unused`), and fontawesome.js, half a megabyte for a dozen icons: they are
letters of fonts.css.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from posixpath import normpath
from typing import Any

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

from labsite.unused import used, without_unused

STYLE, SCRIPT = "_static/book.css", "_static/book.js"
LEFT_OUT = "fontawesome.js"

LINK = re.compile(r'[ \t]*<link [^>]*?href="([^"]*_static/[^"]+\.css[^"]*)"[^>]*>\n?')
SOURCE = re.compile(r'[ \t]*<script (?:defer )?src="([^"]*_static/[^"]+\.js[^"]*)"></script>\n?')
PRELOAD = re.compile(r'[ \t]*<link rel="preload" as="script"[^>]*>\n?')
LATER = re.compile(r'<script ((?:data-[^>]*)?src="[^"]*(?:searchindex|design-tabs)\.js)')
"""Scripts of their own: one is written last of all, the other reads its own element."""

READY, READY_LATER = 'document.readyState !== "loading"', 'document.readyState === "complete"'
"""Sphinx's scripts wait for the whole page. A script that is put off runs just before that, and must wait as well."""

THEME = 'localStorage.getItem("theme") || "auto";'
THEME_NOW = """{light: "light", dark: "dark"}[localStorage.getItem("mode")]
        || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");"""
"""The theme's script makes "auto" light or dark only once the page is there, and all of it is styled a second time."""

LETTERS = (
    ("source-serif-4-latin-400-normal", "<p"),
    ("source-serif-4-latin-400-italic", "<em"),
    ("source-serif-4-latin-700-normal", "<strong"),
    ("source-sans-3-latin-wght-normal", "<h1"),
    ("source-code-pro-latin-wght-normal", "<code"),
    ("font-awesome-6-solid-subset", "fa-solid"),
)
"""Typefaces, each with what a page has that is set in it. They are asked for together with the style sheet, not when
that has come and the page is laid out: a text keeps the letters it is first drawn with (fonts.css)."""
LETTER = (
    '<link rel="preload" href="{}_static/fonts/{}.woff2" as="font" type="font/woff2" crossorigin>\n'
)

OPTIONS = "_static/documentation_options.js"
"""Inline scripts of the page need it at once: it stays where it is."""

URL = re.compile(r"url\(\s*(['\"]?)(?!data:|#|/|https?:)([^'\")]+)\1\s*\)")
IMPORT = re.compile(r'@import "([^"]+)";')
ICON = re.compile(r'(?:\.fa-[\w-]+:{1,2}before,?)+\{content:"\\([0-9a-f]+)"\}')


def page(html: str, seen: dict[str, list[str]]) -> str:
    """Let one page ask for the two files; takes down, in `seen`, of which files they are made."""
    for kind, pattern, target, tag in (
        ("css", LINK, STYLE, '<link rel="stylesheet" href="{0}{1}">\n'),
        ("js", SOURCE, SCRIPT, '<script defer src="{0}{1}"></script>\n'),
    ):
        found = [url for url in pattern.findall(html) if OPTIONS not in url]
        if not found:
            continue
        top = found[0].split("_static/", 1)[0]
        urls = ["_static/" + url.split("_static/", 1)[1] for url in found]
        wanted = [
            name for name in (url.split("?")[0] for url in urls) if not name.endswith(LEFT_OUT)
        ]
        if seen.setdefault(kind, wanted) != wanted:
            raise ExtensionError(f"pages load different files: {seen[kind]} and {wanted}")
        version = f"{zlib.crc32(' '.join(urls).encode()):08x}"
        one = tag.format(top, f"{target}?v={version}")
        if kind == "css":
            one += _letters(html, top)
        html = _replaced(html, pattern, one)
    if STYLE in html and THEME not in html:
        raise ExtensionError("the theme has another way to say whether a page is dark")
    return LATER.sub(r"<script defer \1", PRELOAD.sub("", html.replace(THEME, THEME_NOW)))


def _letters(html: str, top: str) -> str:
    """The links that ask for a page's typefaces; `top` is the way from the page to the top."""
    return "".join(LETTER.format(top, name) for name, mark in LETTERS if mark in html)


def _replaced(html: str, pattern: re.Pattern[str], one: str) -> str:
    """Put `one` where the first match is, and nothing where the others are."""
    parts = iter([one])
    return pattern.sub(lambda m: m[0] if OPTIONS in m[1] else next(parts, ""), html)


def style(folder: Path, name: str, icons: set[str]) -> str:
    """A style sheet as part of the one: what it imports in its place, its addresses seen from there, its icons only."""
    base = PurePosixPath(name).parent
    text = (folder / name).read_text(encoding="utf-8")
    text = IMPORT.sub(lambda m: style(folder, normpath(base / m[1]), icons), text)
    inner = base.relative_to("_static")
    text = URL.sub(lambda m: f"url({normpath(inner / m[2])})", text)
    return ICON.sub(lambda m: m[0] if m[1] in icons else "", text)


def write(app: Sphinx, error: Exception | None) -> None:
    """Write the two files, once Sphinx has put those they are made of into their places."""
    seen: dict[str, list[str]] = vars(app).get("labsite_bundle", {})
    if error or not seen:
        return
    folder = Path(app.outdir)
    icons = set(re.findall(r"U\+([0-9a-f]+)", (folder / "_static/fonts.css").read_text("utf-8")))
    scripts = [(folder / name).read_text(encoding="utf-8") for name in seen["js"]]
    if sum(READY in text for text in scripts) != 1:
        raise ExtensionError("doctools.js has another way to wait for the page")
    scripts = [text.replace(READY, READY_LATER) for text in scripts]
    (folder / SCRIPT).write_text("\n;\n".join(scripts), encoding="utf-8")
    styles = "\n".join(style(folder, name, icons) for name in seen["css"])
    have = used(_texts(folder, "**/*.html"), _texts(folder, "_static/*.js"))
    (folder / STYLE).write_text(without_unused(styles, have), encoding="utf-8")


def _texts(folder: Path, pattern: str) -> Iterator[str]:
    return (path.read_text(encoding="utf-8") for path in folder.glob(pattern))


def watch(app: Sphinx) -> None:
    """See every page as it is written: no event of Sphinx has the whole of its HTML."""
    if app.builder.name != "html":
        return
    seen: dict[str, list[str]] = {}
    vars(app)["labsite_bundle"] = seen
    templates: Any = app.builder.templates
    render = templates.render
    templates.render = lambda name, context: page(render(name, context), seen)


def setup(app: Sphinx) -> None:
    """Make the two files of the published site; `make serve` shows the many."""
    app.add_config_value("labsite_bundle_files", True, "html", [bool])
    app.connect(
        "builder-inited", lambda app: watch(app) if app.config.labsite_bundle_files else None
    )
    # Last: the theme writes pygments.css, the colours of code, only when all pages are built.
    app.connect("build-finished", write, priority=900)

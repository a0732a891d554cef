"""The one style sheet lacks what no page uses, and nothing else: by rules, and by what a browser finds on pages."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import served
import views
from playwright.sync_api import Browser

sys.path.insert(0, str(served.ROOT / "book/_ext"))

from labsite import unused

PAGES = (
    "book/index.html",
    "notebooks/02-cyrus-imap.html",
    "notebooks/14-the-queue.html",
    "book/measured/throughput.html",
    "book/reference/options.html",
    "book/glossary.html",
    "search.html",
    "404.html",
)
HAVE = unused.used(['<p class="note wide" id="top">'], ["'bs-tip-' + side"])


@pytest.mark.parametrize(
    ("sheet", "left"),
    [
        (".note{a:b}", ".note{a:b}"),
        (".gone{a:b}", ""),
        ("#top,.gone .note{a:b}", "#top{a:b}"),
        (".gone,p{a:b}", "p{a:b}"),
        (".note.gone{a:b}", ""),
        (".note:not(.gone){a:b}", ".note:not(.gone){a:b}"),
        (":is(.gone,.note) p{a:b}", ":is(.gone,.note) p{a:b}"),
        ('[href$=".gone"]{a:b}', '[href$=".gone"]{a:b}'),
        (".bs-tip-left{a:b}", ".bs-tip-left{a:b}"),
        (r".gone\:b{a:b}", r".gone\:b{a:b}"),
        ("@media print{.gone{a:b}.wide{a:b}}", "@media print{.wide{a:b}}"),
        ("@media print{.gone{a:b}}", ""),
        ("@font-face{a:b}", "@font-face{a:b}"),
        ("@keyframes gone{from{a:b}}", "@keyframes gone{from{a:b}}"),
        ("/* why *//*! (c) */", "/*! (c) */"),
    ],
)
def test_rule_stays_unless_a_name_of_it_is_nowhere(sheet: str, left: str) -> None:
    """A rule of which it is not sure that nothing matches stays."""
    assert unused.without_unused(sheet, HAVE) == left


SELECTORS = """async (addresses) => {
    const all = new Set();
    const walk = (rules) => { for (const rule of rules) {
        if (rule.selectorText) rule.selectorText.split(/,(?![^(]*\\))/).forEach(s => all.add(s.trim()));
        else if (rule.cssRules && !(rule instanceof CSSKeyframesRule)) walk(rule.cssRules);
    } };
    for (const address of addresses) {
        const sheet = new CSSStyleSheet();
        sheet.replaceSync((await (await fetch(address)).text()).replace(/@import[^;]*;/g, ''));
        walk(sheet.cssRules);
    }
    return [...all];
}"""
MATCHES = """(selectors) => selectors.filter(s => {
    // Without states and parts of elements, of which a page that nobody touches has none.
    const plain = s.replace(/::?[a-z-]+(?:\\([^()]*\\))?/g, '').replace(/(^|[ >+~])(?=$|[ >+~])/g, '$1*');
    try { return document.querySelector(plain); } catch { return false; }
})"""


def test_what_is_left_out_matches_nothing(site: Path, site_address: str, browser: Browser) -> None:
    """A browser that has run a page's scripts finds no element there for a selector that was left out."""
    one = site / "_static/book.css"
    others = {path for path in (site / "_static").rglob("*.css") if path != one}
    with views.opened(browser, "desktop", site_address + "404.html") as page:
        kept, had = (
            set(page.evaluate(SELECTORS, [f"{site_address}{p.relative_to(site)}" for p in paths]))
            for paths in ([one], others)
        )
    assert len(had - kept) > len(kept) > 0
    for path in PAGES:
        with views.opened(browser, "phone", site_address + path) as page:
            assert page.evaluate(MATCHES, sorted(had - kept)) == [], path

"""What a visitor's browser finds on a page: in three views, with everything that may go wrong."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, Response, sync_playwright

VIEWS: Mapping[str, Mapping[str, Any]] = {
    "desktop": {"viewport": {"width": 1366, "height": 900}, "color_scheme": "light"},
    "phone": {
        "viewport": {"width": 390, "height": 844},
        "device_scale_factor": 2,
        "is_mobile": True,
        "has_touch": True,
        "color_scheme": "light",
    },
    "dark": {"viewport": {"width": 1366, "height": 900}, "color_scheme": "dark"},
}

RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")

CHROMIUM = "/usr/bin/chromium"
WINDOWLESS = "/usr/bin/chromium-headless-shell"
"""The same without a window around the page, which each visit would open anew."""
QUIET = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
STEADY = ("--font-render-hinting=none", "--disable-lcd-text", "--force-color-profile=srgb")
"""Letters are drawn the same on every machine: for pictures that are compared."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What was wrong with a page; equal to `Findings()` if nothing was."""

    other_hosts: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    console: tuple[str, ...] = ()
    too_wide_by: int = 0
    axe: tuple[str, ...] = ()
    told: Any = field(default=None, compare=False)
    """What the page answered to the question that it was asked."""


@contextmanager
def chromium(*more: str, program: str = CHROMIUM) -> Iterator[Browser]:
    """Start Debian's Chromium; as root, as in a container of CI, it runs without its sandbox."""
    flags = [*QUIET, *more, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=flags)
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser, view: str, address: str) -> Iterator[Page]:
    """Open a page in a view and wait until it stands still."""
    context = browser.new_context(**VIEWS[view])
    page = context.new_page()
    page.goto(address)
    settle(page)
    yield page
    context.close()


def settle(page: Page) -> None:
    """Wait for the typefaces and the images, for two drawn frames, and for what moves to have arrived."""
    page.evaluate(
        """async () => {
            await document.fonts.ready;
            await Promise.all([...document.images].filter(i => i.complete || i.loading !== 'lazy')
                .map(i => i.decode().catch(() => null)));
            for (let i = 0; i < 2; i++) await new Promise(requestAnimationFrame);
            const ends = a => a.effect.getTiming().iterations !== Infinity;
            await Promise.all(document.getAnimations().filter(ends).map(a => a.finished.catch(() => null)));
        }"""
    )


def searched(page: Page) -> None:
    """Wait until the search has shown its last result: they come one by one, and then a line says so."""
    page.wait_for_function("/finished/.test(document.querySelector('#search-results').innerText)")


def axe(page: Page, within: str = "html", contrast: bool = True) -> tuple[str, ...]:
    """Give the accessibility rules that the page, or a part of it, breaks as it now stands, one line each.

    Whether letters stand out from their ground takes nine tenths of the time; a caller who knows may leave it out.
    """
    options = {
        "runOnly": list(RULES),
        "resultTypes": ["violations"],
        "rules": {"color-contrast": {"enabled": contrast}},
    }
    found = Axe().run(page, context=within, options=options).response["violations"]
    return tuple(
        f"{rule['id']} x{len(rule['nodes'])}: {rule['nodes'][0]['html'][:200]}"
        f" ({rule['nodes'][0]['failureSummary']})"
        for rule in found
    )


def visit(
    visitor: BrowserContext, site: str, path: str, question: str = "null", contrast: bool = True
) -> Findings:
    """Open a page as a reader does and give everything that is wrong with it.

    The question is a piece of JavaScript, asked before axe makes requests of its own.
    """
    page = visitor.new_page()
    other: list[str] = []
    failed: list[str] = []
    console: list[str] = []

    def on_response(response: Response) -> None:
        if response.status >= 400 and response.url != site + path:
            failed.append(f"{response.status} {response.url}")

    page.on("request", lambda r: None if _ours(r.url, site) else other.append(r.url))
    page.on("response", on_response)
    page.on("requestfailed", lambda r: failed.append(r.url))
    page.on("console", lambda m: console.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda e: console.append(str(e)))
    page.goto(site + path)
    settle(page)
    wide = page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    told = page.evaluate(question)
    before = tuple(other), tuple(failed), tuple(console)
    broken = axe(page, contrast=contrast)
    page.close()
    return Findings(*before, wide, broken, told)


def _ours(url: str, site: str) -> bool:
    """Say whether a request stays with the site; `data:` and `blob:` never leave the browser."""
    return url.startswith((site, "data:", "blob:"))

"""The search answers what readers ask, from a server and from a folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus, unquote

import pytest
import served
import yaml
from playwright.sync_api import Browser, ConsoleMessage, Page
from views import opened, searched

QUESTIONS: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parent / "questions.yml").read_text()
)
RESULT = "#search-results li a"
BEST = 3
"""How many results a reader looks at."""
REFUSED = "Failed to load resource: net::ERR_FAILED"
"""What a browser says of a file that it would not load; of one that is not there it says something else."""


@pytest.fixture(scope="module")
def search(browser: Browser, site_address: str) -> Iterator[Page]:
    """The page with the search, kept open: each question is a new address of it."""
    with opened(browser, "desktop", site_address + "search.html") as page:
        yield page


def results(page: Page) -> list[str]:
    """Pages that were found, the best first, each once, as the toc names them."""
    searched(page)
    found = page.locator(RESULT).evaluate_all("links => links.map(a => a.pathname)")
    names = [unquote(path).split("/_build/html/")[-1].strip("/") for path in found]
    return list(dict.fromkeys(name.removesuffix(".html") for name in names))


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda q: q["ask"])
def test_the_answer_is_among_the_best(
    search: Page, site_address: str, question: dict[str, Any]
) -> None:
    """One of the pages that answer the question is among the first three results."""
    search.goto(f"{site_address}search.html?q={quote_plus(question['ask'])}")
    best = results(search)[:BEST]
    assert set(best) & set(question["page"]), best


def test_there_are_enough_questions() -> None:
    """Twenty or more, each other than the rest, about pages that there are."""
    pages = {
        page.removesuffix(".html") for page in served.pages((served.ROOT / "_toc.yml").read_text())
    }
    assert len({question["ask"] for question in QUESTIONS}) == len(QUESTIONS) >= 20
    assert {page for question in QUESTIONS for page in question["page"]} <= pages


@contextmanager
def from_a_folder(browser: Browser, site: Path, page: str) -> Iterator[tuple[Page, list[str]]]:
    """A page opened as a file, and what its console complains of.

    Not that typefaces are not loaded early: for files browsers refuse that, and the style sheet loads them.
    """
    context = browser.new_context()
    told: list[str] = []
    opened = context.new_page()

    def complains(message: ConsoleMessage) -> None:
        letters = message.location["url"].endswith(".woff2") and message.text == REFUSED
        if message.type == "error" and not (letters or message.text.startswith("Access to font")):
            told.append(message.text)

    opened.on("console", complains)
    opened.on("pageerror", lambda error: told.append(str(error)))
    opened.goto(f"file://{site}/{page}")
    yield opened, told
    context.close()


@pytest.mark.parametrize("page", ["index.html", "notebooks/02-cyrus-imap.html"])
def test_pages_work_from_a_folder(browser: Browser, site: Path, page: str) -> None:
    """Without any server they have their looks, their letters and their links, and complain of nothing."""
    with from_a_folder(browser, site, page) as (shown, told):
        shown.wait_for_selector("article h1")
        for face in ("Source Serif 4", "Source Sans 3"):
            shown.wait_for_function(
                "face => [...document.fonts].some(f => f.family.includes(face) && f.status === 'loaded')",
                arg=face,
            )
        with shown.expect_navigation():
            shown.locator("a.right-next").click()
        shown.wait_for_selector("article h1")
        assert told == []


def test_search_works_from_a_folder(browser: Browser, site: Path) -> None:
    """It finds the same; only the quotations are missing, since a browser reads no file for a file."""
    with from_a_folder(browser, site, "search.html?q=relaying+denied") as (shown, told):
        assert set(results(shown)[:BEST]) & {"book/troubleshooting", "notebooks/11-relaying"}
        with shown.expect_navigation():
            shown.locator(RESULT).first.click()
        shown.wait_for_selector("article h1")
        assert told == []

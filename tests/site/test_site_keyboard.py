"""The book without a mouse."""

from __future__ import annotations

import pytest
from keyboard import walk
from playwright.sync_api import Browser
from views import axe, opened, searched, settle

KINDS = (
    "book/index.html",
    "notebooks/02-cyrus-imap.html",
    "book/reference/options.html",
    "search.html?q=relaying",
)


@pytest.mark.parametrize("view", ["desktop", "phone"])
@pytest.mark.parametrize("path", KINDS)
def test_all_is_reached_and_seen(browser: Browser, site_address: str, path: str, view: str) -> None:
    """Tab comes by everything that can be operated, shows where it is, and gets out again."""
    with opened(browser, view, site_address + path) as page:
        if path.startswith("search"):
            searched(page)
        found = walk(page)
        assert found.missed == ()
        assert found.unseen == ()
        assert found.ended
        assert found.order[0] == "a Skip to main content"


def test_skip_link_leads_to_the_text(browser: Browser, site_address: str) -> None:
    """The first Tab and Enter jump over the navigation."""
    with opened(browser, "desktop", site_address + KINDS[1]) as page:
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.closest('main') !== null")


@pytest.mark.parametrize("view", ["desktop", "phone", "dark"])
def test_search_opens_and_closes(browser: Browser, site_address: str, view: str) -> None:
    """The search takes the keyboard when it opens, keeps it, and gives it back by Escape."""
    with opened(browser, view, site_address + KINDS[1]) as page:
        page.keyboard.press("Control+k")
        page.wait_for_selector("dialog[open] input:focus")
        assert walk(page).missed == ()
        page.keyboard.press("Escape")
        page.wait_for_selector("dialog[open]", state="detached")
        page.wait_for_function("document.activeElement.closest('dialog') === null", timeout=5000)


@pytest.mark.parametrize(
    "toggle", ["button.primary-toggle", "button.secondary-toggle"], ids=["chapters", "page"]
)
def test_menus_open_and_close(browser: Browser, site_address: str, toggle: str) -> None:
    """On a phone each list opens by Enter, breaks no rule, can be gone through, and closes by Escape."""
    with opened(browser, "phone", site_address + KINDS[1]) as page:
        page.locator(toggle).focus()
        page.keyboard.press("Enter")
        page.wait_for_selector("dialog[open] a")
        settle(page)
        assert axe(page) == ()
        found = walk(page)
        assert (found.missed, found.unseen) == ((), ())
        page.keyboard.press("Escape")
        page.wait_for_selector("dialog[open]", state="detached")
        page.wait_for_selector(f"{toggle}:focus")


def test_a_walk_finds_faults(browser: Browser) -> None:
    """What is never reached, what does not show that it has the keyboard, and what never lets go."""
    context = browser.new_context()
    page = context.new_page()
    page.set_content(
        """<a href="#" style="outline: none">unseen</a> <button>seen</button>
        <button id="lost" style="position: absolute">lost</button>
        <script>lost.addEventListener('focus', () => lost.blur());
        document.addEventListener('focusin', e => { if (e.target.id === 'lost') e.stopImmediatePropagation(); }, true);
        </script>"""
    )
    found = walk(page)
    assert found.unseen == ("a unseen",)
    assert found.missed == ("button lost",)
    context.close()

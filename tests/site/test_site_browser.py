"""Every page in a real browser, as desktop, phone and in the dark."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from survey import SITE_PAGES, TRIAL_PAGES, Finding
from views import VIEWS, Findings, axe, opened, searched, settle, visit

pytestmark = pytest.mark.timeout(1800)  # the first one waits until all pages were visited


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("path", SITE_PAGES)
def test_page_is_right(findings: Finding, site_address: str, path: str, view: str) -> None:
    """Nothing comes from another host, fails, complains, is too wide or breaks an axe rule."""
    assert findings(site_address, path, view) == Findings()


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("path", TRIAL_PAGES)
def test_trial_page_is_right(findings: Finding, trial_address: str, path: str, view: str) -> None:
    """The same holds for every kind of cell and output that an author may use."""
    assert findings(trial_address, path, view) == Findings()


def test_front_door_leads_to_the_first_page(browser: Browser, site_address: str) -> None:
    """The bare address of the site shows the first page."""
    with opened(browser, "desktop", site_address + "book/index.html") as first:
        first.goto(site_address)
        first.wait_for_url(site_address + "book/index.html")


def test_missing_page_is_right_at_any_depth(browser: Browser, site_address: str) -> None:
    """The page for wrong addresses finds its style wherever it is shown; it alone is not found."""
    found = visit(browser.new_context(), site_address, "no/such/page.html")
    told = "Failed to load resource: the server responded with a status of 404 (Not Found)"
    assert found == Findings(console=(told,))


def test_wrong_pages_are_found_out(browser: Browser, trial_address: str, trial: Path) -> None:
    """Each finding can be made: a page with every fault has all of them."""
    wrong = """<!DOCTYPE html><title>x</title><img src="nothing.png">
        <div style="width: 3000px">x</div>
        <script src="http://localhost:9/x.js"></script><script>nothing()</script>"""
    (trial / "wrong.html").write_text(wrong)
    found = visit(browser.new_context(), trial_address, "wrong.html")
    assert found.other_hosts == ("http://localhost:9/x.js",)
    assert any("nothing.png" in line for line in found.failed)
    assert any("nothing is not defined" in line for line in found.console)
    assert found.too_wide_by > 0
    assert any(line.startswith("image-alt ") for line in found.axe)


@pytest.mark.parametrize("view", VIEWS)
def test_open_search_is_right(browser: Browser, site_address: str, view: str) -> None:
    """The search dialog opens by keyboard and breaks no rule while it is open."""
    with opened(browser, view, site_address + "book/index.html") as page:
        page.keyboard.press("Control+k")
        page.wait_for_selector("dialog[open] input")
        settle(page)
        assert axe(page) == ()


def test_open_menu_is_right(browser: Browser, site_address: str) -> None:
    """On a phone the list of chapters opens and breaks no rule while it is open."""
    with opened(browser, "phone", site_address + "book/index.html") as page:
        page.click("button.primary-toggle")
        page.wait_for_selector("dialog[open] .bd-links")
        settle(page)
        assert axe(page) == ()


def test_search_finds_a_word(browser: Browser, site_address: str) -> None:
    """The search works with nothing but the site's own files."""
    with opened(browser, "desktop", site_address + "search.html?q=relaying") as page:
        searched(page)
        links = page.locator("#search-results li a").evaluate_all("a => a.map(a => a.href)")
        assert any("how-mail-moves" in link for link in links)
        page.wait_for_function("document.querySelectorAll('p.context').length > 2")
        quotes = page.locator("p.context").all_inner_texts()
        assert all(len(quote) > 5 and ".md" not in quote for quote in quotes)


def test_pictures_follow_dark_mode(browser: Browser, site_address: str) -> None:
    """Letters, boxes and lines of a picture have other colours in the dark."""
    script = """() => ['text', '.node:not(.plain) path', '.edge path'].map(s => {
        const style = getComputedStyle(document.querySelector('.picture ' + s));
        return [style.fill, style.stroke];
    })"""
    colours = {}
    for view in ("desktop", "dark"):
        with opened(browser, view, site_address + "book/how-mail-moves.html") as page:
            colours[view] = page.evaluate(script)
    assert len(colours["desktop"]) == 3
    assert all(a != b for a, b in zip(colours["desktop"], colours["dark"], strict=True))


@pytest.mark.parametrize("view", VIEWS)
def test_a_solution_unfolds_by_keyboard(browser: Browser, trial_address: str, view: str) -> None:
    """What is folded is not read by accident, opens by Enter, breaks no rule then, and can be copied."""
    with opened(browser, view, trial_address + "notebooks/cells.html") as page:
        code = page.locator("details:not([class]) pre")
        expect(code).to_be_hidden()
        page.locator("details:not([class]) summary").last.focus()
        page.keyboard.press("Enter")
        expect(code).to_be_visible()
        settle(page)
        assert axe(page) == ()
        expect(page.locator("details:not([class]) button.copybtn")).to_be_visible()


def test_copy_takes_only_commands(browser: Browser, trial_address: str) -> None:
    """The copy button of a shell cell leaves the prompts, and outputs have no such button."""
    with opened(browser, "desktop", trial_address + "notebooks/cells.html") as page:
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        cell = page.locator(".cell.vm").first
        cell.locator("button.copybtn").click()
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied == "hostname --fqdn\nid --user --name"
        assert page.locator(".cell_output .output button.copybtn").count() == 0
        assert page.locator(".cell.file button.copybtn").count() == 1

"""What helps a reader on: meanings at hand, a place in the book that is kept, a picture that moves and can be held."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser, expect
from views import VIEWS, axe, opened, settle

CHAPTER = "notebooks/09-starting.html"
WORD = ".bd-article a.term"


def test_a_word_tells_its_meaning_on_focus_and_hover(browser: Browser, site_address: str) -> None:
    """The meaning shows by keyboard and by mouse, belongs to its word, can be pointed at, and Escape closes it."""
    with opened(browser, "desktop", site_address + CHAPTER) as page:
        word, box = page.locator(WORD).first, page.locator("#meaning")
        page.keyboard.press("Tab")  # so that focus counts as made by keyboard
        word.focus()
        expect(box).to_be_visible()
        assert word.get_attribute("aria-describedby") == "meaning"
        assert len(box.inner_text()) > 20
        assert axe(page) == ()
        page.keyboard.press("Escape")
        expect(box).to_be_hidden()
        word.hover()
        expect(box).to_be_visible()
        box.hover()
        page.wait_for_timeout(300)
        expect(box).to_be_visible()


def test_a_touch_shows_the_meaning_and_a_second_one_follows(
    browser: Browser, site_address: str
) -> None:
    """On a phone the first tap explains, within the screen; the next one leads to the glossary."""
    with opened(browser, "phone", site_address + CHAPTER) as page:
        word, box = page.locator(WORD).first, page.locator("#meaning")
        word.tap()
        expect(box).to_be_visible()
        place = box.bounding_box()
        assert place
        assert place["x"] >= 0
        assert place["x"] + place["width"] <= 390
        word.tap()
        page.wait_for_url("**/glossary.html#term-*")


def test_without_scripts_a_word_has_its_meaning_as_title(site: Path) -> None:
    """What the script shows is in the page itself."""
    html = (site / CHAPTER).read_text("utf-8")
    assert 'class="term reference internal" href="../book/glossary.html#term-' in html
    assert 'title="A number by which a process uses an open file' in html


def test_names_lead_to_their_entry(browser: Browser, site_address: str) -> None:
    """An option named in a chapter is a link to the very line that explains it, and says that line on hover."""
    with opened(browser, "desktop", site_address + CHAPTER) as page:
        link = page.locator("a.mention", has_text="min_restart_delay").first
        assert "wait before a module" in (link.get_attribute("data-meaning") or "")
        link.click()
        page.wait_for_url("**/options.html#section-mcp-min-restart-delay")
        assert page.locator("#section-mcp-min-restart-delay").inner_text() == "min_restart_delay"


def test_reading_is_remembered_here_and_can_be_forgotten(
    browser: Browser, site_address: str
) -> None:
    """A chapter read to its end is marked, the first page offers the next one, and Forget removes every trace."""
    with opened(browser, "desktop", site_address + "notebooks/08-mail-group.html") as page:
        page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
        page.wait_for_selector(".bd-sidebar-primary a.was-read")
        page.goto(site_address + "book/index.html")
        offer = page.locator("#go-on")
        assert "9. Starting" in offer.inner_text()
        assert "1 of 16 chapters read" in offer.inner_text()
        settle(page)
        assert axe(page) == ()
        offer.locator("button").click()
        expect(offer).to_be_hidden()
        assert page.evaluate("localStorage.getItem('meta1-book-reading')") is None
        assert page.locator("a.was-read").count() == 0


MOTIONS = """window.motions = [];
const tell = e => motions.push(`${e.type} ${e.target.tagName} ${e.target.getAttribute('class')}`);
for (const kind of ['transitionrun', 'animationstart']) document.addEventListener(kind, tell, true);"""
"""Takes down whatever begins to move, from before the page is there."""
LETTER = "document.querySelector('.mail-path.wide .letter').getBoundingClientRect().x"
LAST = "document.querySelector('.mail-path.wide .at:nth-last-of-type(2) .stop').getBoundingClientRect().x"
MOVES = (
    f"new Promise(done => {{ const x = {LETTER}; setTimeout(() => done({LETTER} !== x), 3000); }})"
)


def test_the_letter_moves_and_can_be_held(browser: Browser, site_address: str) -> None:
    """The first page's picture moves by itself, and stands still from when it is held."""
    with opened(browser, "desktop", site_address + "book/index.html") as page:
        assert page.evaluate(MOVES)
        page.locator(".mail-path-frame input").check()
        settle(page)  # it is held from the next frame on
        assert not page.evaluate(MOVES)


def test_who_wants_no_motion_gets_none(browser: Browser, site_address: str) -> None:
    """Nothing moves at all, not even the theme's buttons as they are used, and the letter lies at its end."""
    moved = {}
    for wish in ("no-preference", "reduce"):
        context = browser.new_context(**VIEWS["desktop"], reduced_motion=wish)
        context.add_init_script(MOTIONS)
        page = context.new_page()
        page.goto(site_address + "book/index.html")
        settle(page)
        page.locator("button.theme-switch-button").hover()
        page.locator("button.theme-switch-button").click()
        settle(page)
        moved[wish] = page.evaluate("motions")
        if wish == "reduce":
            assert page.evaluate("document.getAnimations().length") == 0
            letter, last = page.evaluate(f"[{LETTER}, {LAST}]")
            assert abs(letter - last) < 60
            expect(page.locator(".mail-path-frame input")).to_be_hidden()
        context.close()
    assert moved["reduce"] == []
    assert any("letter" in motion for motion in moved["no-preference"])
    assert any("theme-switch" in motion for motion in moved["no-preference"])

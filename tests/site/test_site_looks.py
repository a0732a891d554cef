"""Key pages look as they did when a person last looked at them."""

from __future__ import annotations

import pytest
import served
from looks import BASELINE, KEY, differs, key_pages, photograph, store
from PIL import Image
from playwright.sync_api import Browser

SEEN = served.ROOT / ".lab/test/looks"
CHANGES = {
    "a colour": "article h1 { color: #0a58ca !important }",
    "a shift": "article { transform: translateX(6px) }",
    "letters": "article { font-family: monospace !important }",
    "something gone": "article h1 { visibility: hidden }",
    "size": "article p { font-size: 103% !important }",
}


@pytest.mark.parametrize("name", KEY)
def test_page_looks_as_before(
    browser: Browser, site_address: str, trial_address: str, name: str
) -> None:
    """If it is meant to look otherwise: make baseline, look at the new picture, commit it."""
    pages = {n: (a, v) for n, a, v in key_pages({"site": site_address, "trial": trial_address})}
    address, view = pages[name]
    found = photograph(browser, view, address)
    SEEN.mkdir(parents=True, exist_ok=True)
    store(found, SEEN / f"{name}.png")
    wrong = differs(Image.open(BASELINE / f"{name}.png"), found)
    assert wrong == [], (
        f"compare {BASELINE / name}.png with {SEEN / name}.png, from (x, y) at half size"
    )


def test_a_change_is_noticed(browser: Browser, trial_address: str) -> None:
    """Each kind of change that a person would see, and none where there is none."""
    address = trial_address + "notebooks/cells.html"
    before = photograph(browser, "desktop", address)
    assert differs(before, photograph(browser, "desktop", address)) == []
    for change, style in CHANGES.items():
        assert differs(before, photograph(browser, "desktop", address, style)) != [], change


def test_fine_noise_is_no_change() -> None:
    """Stored in few colours, and one pixel lighter here and there, a picture is still the same."""
    picture = Image.effect_noise((320, 320), 6).convert("RGB")
    assert differs(picture, picture.point(lambda level: level + 8)) == []
    assert differs(picture, picture.crop((0, 0, 300, 320))) == [(-1, -1)]

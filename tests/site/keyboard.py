"""A reader who has only a keyboard: goes through a page by Tab and sees where it leads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Page

MOST = 1500
"""Presses of Tab after which a page counts as one without an end."""

# Everything that can be operated and is shown. A group of radio buttons is one stop of the keyboard.
WATCH = """() => {
    const operable = 'a[href], button, input, select, textarea, summary, [tabindex="0"], [contenteditable="true"]';
    const looks = element => {
        const of = getComputedStyle(element);
        return [of.outlineStyle + of.outlineWidth + of.outlineColor, of.boxShadow, of.borderColor,
                of.backgroundColor, of.textDecorationLine + of.textDecorationThickness].join('|');
    };
    const says = element => element.tagName.toLowerCase() + ' '
        + (element.getAttribute('aria-label') || element.innerText || element.title || element.name || '')
            .trim().replace(/\\s+/g, ' ').slice(0, 60);
    const open = document.querySelector('dialog:modal') || document;
    const shown = [...open.querySelectorAll(operable)].filter(e =>
        e.checkVisibility({visibilityProperty: true, contentVisibilityAuto: false}) && !e.disabled
        && e.tabIndex >= 0 && !e.closest('[inert]') && e.getClientRects().length);
    const watch = window.watched = {shown: shown.map(says), reached: [], unseen: [], over: false};
    const before = shown.map(looks);
    document.addEventListener('focusin', event => {
        if (event.target === open) return;  // a list that scrolls can be scrolled by keys
        const number = shown.indexOf(event.target);
        watch.over ||= watch.reached.includes(number);
        watch.reached.push(number);
        if (number < 0) watch.unseen.push('not operable: ' + says(event.target));
        else if (looks(event.target) === before[number]) watch.unseen.push(says(event.target));
    });
}"""


@dataclass(frozen=True, slots=True)
class Walk:
    """What a walk by Tab came by, each place by its kind and words."""

    order: tuple[str, ...]
    missed: tuple[str, ...]
    unseen: tuple[str, ...]
    ended: bool


def walk(page: Page) -> Walk:
    """Press Tab from the top of the page, or of the dialog that is open, until it begins anew."""
    page.evaluate("document.activeElement.blur()")
    page.evaluate(WATCH)
    rounds = 0  # of the document, which the keyboard leaves at its end; after a blur the first began in the middle
    for _ in range(MOST):
        page.keyboard.press("Tab")
        rounds += page.evaluate("document.activeElement === document.body")
        if rounds > 1 or page.evaluate("watched.over"):
            break
    if (
        rounds > 1
    ):  # the keyboard is outside of the page, where the browser has its own buttons: come back
        page.keyboard.press("Tab")
    seen: dict[str, Any] = page.evaluate("watched")
    shown, reached = seen["shown"], seen["reached"]
    return Walk(
        tuple(shown[number] for number in reached if number >= 0),
        tuple(words for number, words in enumerate(shown) if number not in reached),
        tuple(dict.fromkeys(seen["unseen"])),
        bool(seen["over"]) or rounds > 1,
    )

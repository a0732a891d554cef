"""Every page in every view, by as many browsers as there are processors; each test then looks at its own page.

A browser keeps one visitor for each view, but on a phone each page is somebody's first, who has nothing yet,
and is weighed as well. Pages are handed out one by one, so that none waits for a slow one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import Empty, SimpleQueue

import served
import trialbook
import views
from budget import WEIGH
from playwright.sync_api import BrowserContext

BROWSERS = 2

SITE_PAGES = served.pages((served.ROOT / "_toc.yml").read_text())
TRIAL_PAGES = served.pages(trialbook.TOC)[: -len(served.BESIDE)]
BRIGHT = {*SITE_PAGES[::4], *TRIAL_PAGES}
"""A phone has the colours of a desktop, so on it their contrast is judged only here."""

Finding = Callable[[str, str, str], views.Findings]
"""Gives what was wrong with a page, by its site's address, its path and the view."""


@dataclass(frozen=True, slots=True)
class Call:
    """One page to visit in one view."""

    address: str
    path: str
    view: str


def survey(calls: Sequence[Call]) -> Mapping[Call, views.Findings]:
    """Make all the visits; the findings of each."""
    waiting: SimpleQueue[Call] = SimpleQueue()
    for call in calls:
        waiting.put(call)
    with ThreadPoolExecutor(BROWSERS) as pool:
        done = [pool.submit(_go_round, waiting) for _ in range(BROWSERS)]
        return {call: found for part in done for call, found in part.result().items()}


def _go_round(waiting: SimpleQueue[Call]) -> dict[Call, views.Findings]:
    """Visit with one browser what is still to be visited."""
    found: dict[Call, views.Findings] = {}
    with views.chromium(program=views.WINDOWLESS) as browser:
        visitors: dict[str, BrowserContext] = {}
        while True:
            try:
                call = waiting.get_nowait()
            except Empty:
                return found
            if call.view not in visitors:
                visitors[call.view] = browser.new_context(**views.VIEWS[call.view])
            contrast = call.view != "phone" or call.path in BRIGHT
            found[call] = views.visit(visitors[call.view], call.address, call.path, WEIGH, contrast)
            if call.view == "phone":
                visitors.pop(call.view).close()

"""Lighthouse gives each kind of page 95 points or more in each of its four categories."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import lighthouse
import pytest

WANTED = 95
TRIES = 5
"""A busy machine makes a page look slow, never fast: the best of a few tries is nearest to the page itself."""
PAGES = (
    "book/index.html",
    "notebooks/02-cyrus-imap.html",
    "notebooks/14-the-queue.html",
    "book/reference/options.html",
    "book/troubleshooting.html",
)

pytestmark = pytest.mark.timeout(1200)


@pytest.mark.parametrize("path", PAGES)
def test_page_has_its_points(
    site_address: str,
    path: str,
    tmp_path: Path,
    record_testsuite_property: Callable[[str, object], None],
) -> None:
    """Performance, accessibility, best practices, search engines: on a phone, over a slow net."""
    best: Mapping[str, int] = {}
    slowdown = lighthouse.PHONE
    for number in range(TRIES):
        report = tmp_path / f"{number}.json"
        try:
            found = lighthouse.scores(site_address + path, report, slowdown)
        except lighthouse.NoVerdict:
            if number == TRIES - 1:
                raise
            continue
        slowdown = lighthouse.slowdown_here(report)  # the same phone, however busy we are
        best = {name: max(points, best.get(name, 0)) for name, points in found.items()}
        if min(best.values()) >= WANTED:
            break
    record_testsuite_property("lighthouse", f"{path} {dict(best)}")
    assert {n: p for n, p in best.items() if p < WANTED} == {}, lighthouse.wanting(report)

"""Lighthouse gives each kind of page 95 points or more in each of its four categories."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
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


@dataclass
class Phone:
    """How many times slower than this host it is; each try tells better how fast, and how busy, the host is."""

    slowdown: float = lighthouse.PHONE


@pytest.fixture(scope="module")
def phone() -> Phone:
    """The same for all pages."""
    return Phone()


@pytest.mark.parametrize("path", PAGES)
def test_page_has_its_points(
    phone: Phone,
    site_address: str,
    path: str,
    tmp_path: Path,
    record_testsuite_property: Callable[[str, object], None],
) -> None:
    """Performance, accessibility, best practices, search engines: on a phone, over a slow net."""
    best: Mapping[str, int] = {}
    for number in range(TRIES):
        report = tmp_path / f"{number}.json"
        try:
            found = lighthouse.scores(site_address + path, report, phone.slowdown)
        except lighthouse.NoVerdict:
            if number == TRIES - 1:
                raise
            continue
        phone.slowdown = lighthouse.slowdown_here(report)
        best = {name: max(points, best.get(name, 0)) for name, points in found.items()}
        if min(best.values()) >= WANTED:
            break
    record_testsuite_property("lighthouse", f"{path} {dict(best)}")
    assert {n: p for n, p in best.items() if p < WANTED} == {}, lighthouse.wanting(report)

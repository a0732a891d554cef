"""Lighthouse gives each kind of page 95 points or more in each of its four categories."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import checkout
import lighthouse
import pytest
import served

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


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the book is served: what `make site` has built, if no file is newer, else built for this."""
    newest = max(each.stat().st_mtime for each in checkout.files(served.ROOT))
    built = served.ROOT / "_build" / "html"
    if not built.exists() or (built / "index.html").stat().st_mtime < newest:
        built = served.build(served.ROOT, tmp_path_factory.mktemp("book"))
    with served.serve(built) as found:
        yield found


@pytest.mark.parametrize("path", PAGES)
def test_page_has_its_points(
    address: str,
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
            found = lighthouse.scores(address + path, report, slowdown)
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

"""No page grows heavy or long unnoticed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from budget import Weight, budget_of, over, weight
from survey import SITE_PAGES, Finding

pytestmark = pytest.mark.timeout(1800)  # the first one waits until all pages were visited


@pytest.mark.parametrize("path", SITE_PAGES)
def test_page_keeps_its_budget(
    findings: Finding,
    site_address: str,
    path: str,
    record_testsuite_property: Callable[[str, object], None],
) -> None:
    """Bytes over the line at the first visit, files loaded, minutes to read."""
    found = weight(findings(site_address, path, "phone").told)
    record_testsuite_property("weight", f"{path} {found}")
    assert over(found, budget_of(path).most) == {}


def test_what_is_over_is_told() -> None:
    """With the figure and the limit."""
    most = Weight(500, 40, 30, 10)
    assert over(most, most) == {}
    assert over(Weight(500.1, 40, 31, 10), most) == {"total": (500.1, 500), "requests": (31, 30)}

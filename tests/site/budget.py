"""How heavy a page of each kind may be, and how long it may take to read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

WORDS_A_MINUTE = 200
"""A reader of technical prose; code and what a machine printed are looked at, not read."""


@dataclass(frozen=True, slots=True)
class Weight:
    """A page at the first visit: kB over the line with all it loads, its own HTML, files loaded, minutes to read."""

    total: float
    html: float
    requests: int
    minutes: float


@dataclass(frozen=True, slots=True)
class Budget:
    """What pages of one kind may have, and the beginnings of their names."""

    kind: str
    names: tuple[str, ...]
    most: Weight


# The first that fits a page is its kind; `total` is what a phone waits for.
BUDGETS = (
    Budget("cover", ("book/index",), Weight(400, 20, 45, 5)),
    Budget("chapter", ("notebooks/",), Weight(450, 35, 45, 15)),
    Budget("reference", ("book/reference/", "book/glossary"), Weight(450, 20, 45, 8)),
    Budget("other page", ("book/", "404", "search"), Weight(450, 30, 45, 10)),
)

WEIGH = """() => {
    const own = performance.getEntriesByType('navigation')[0];
    const rest = performance.getEntriesByType('resource').filter(r => r.name.startsWith(location.origin));
    const article = (document.querySelector('article') || document.querySelector('main')).cloneNode(true);
    article.querySelectorAll('.cell, pre, table, svg, details, script, style').forEach(part => part.remove());
    return {
        html: own.transferSize / 1000,
        total: [own, ...rest].reduce((sum, r) => sum + r.transferSize, 0) / 1000,
        requests: rest.length + 1,
        words: article.textContent.split(/\\s+/).filter(Boolean).length,
    };
}"""


def budget_of(path: str) -> Budget:
    """The budget of a page."""
    return next(budget for budget in BUDGETS if path.startswith(budget.names))


def weight(found: Mapping[str, Any]) -> Weight:
    """What a page answered to `WEIGH`."""
    minutes = found["words"] / WORDS_A_MINUTE
    return Weight(
        round(found["total"], 1), round(found["html"], 1), found["requests"], round(minutes, 1)
    )


def over(found: Weight, most: Weight) -> dict[str, tuple[float, float]]:
    """What is over the budget: figure and limit of each."""
    return {
        name: (have, limit)
        for name in Weight.__dataclass_fields__
        if (have := getattr(found, name)) > (limit := getattr(most, name))
    }

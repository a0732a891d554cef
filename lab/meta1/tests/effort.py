"""How much the property tests try: as many examples as they say, or a tenth in ``make check``."""

from __future__ import annotations

from hypothesis import settings


def examples(number: int) -> int:
    """What a test that wants this many examples tries in the profile that is on."""
    share: int = settings().max_examples
    return max(10, number * share // 100)

"""How fast the disk is: whether one sync is better done in the loop or by the commit thread.

Handing a sync over and back costs two wake-ups and makes two threads take turns at the
interpreter.  That is well spent when others have work meanwhile, or when the disk takes its time;
a lone message on a quick disk is answered sooner without.  smtps and qmgr both decide by this.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

QUICK: Final = 0.001
"""Seconds: a loop that stands still for so long is noticed by nobody."""


class Pace:
    """Remembers how long the last sync took."""

    def __init__(self) -> None:
        """Nothing is known yet: the first sync is not done in the loop."""
        self._last = float("inf")

    @property
    def is_quick(self) -> bool:
        """Tell whether the loop may wait for the next sync itself."""
        return self._last < QUICK

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Take the time of a sync; one that fails counts like any other."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self._last = time.perf_counter() - began

"""When to try next, and how much at a time: the arithmetic of the scheduler.

Pure: time comes in as an argument, nothing is random.  `aq.py` applies these rules.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Final

HOUR: Final = 3600.0
DAY: Final = 24 * HOUR


@dataclass(frozen=True, slots=True)
class Limits:
    """The figures of the qmgr section of meta1.conf."""

    max_entries: int = 8192
    """AQ_max_entries: recipients in memory at a time."""
    initial_connections: int = 5
    max_connections: int = 50
    """Deliveries under way to one destination: at first, and at most."""
    max_local: int = 32
    """The same for the LMTP server on this machine, which needs no slow start."""
    max_total: int = 400
    min_retry: float = 300.0
    max_retry: float = 4 * HOUR
    return_timeout: float = 5 * DAY
    bounce_return_timeout: float = DAY
    warning_timeout: float = 4 * HOUR
    """0 means that nobody is ever warned."""
    max_recipients: int = 100
    dead_pause: float = 60.0
    """How long a destination that cannot be reached is left alone at first."""

    def lifetime(self, is_bounce: bool) -> float:
        """How old a message may become in the queue."""
        return self.bounce_return_timeout if is_bounce else self.return_timeout


def retry_after(limits: Limits, attempts: int, transaction_id: str) -> float:
    """Double the pause with each attempt; a fixed eighth up or down spreads the load."""
    pause = limits.min_retry * 2.0 ** min(max(attempts - 1, 0), 30)
    pause = min(pause, limits.max_retry)
    spread = (zlib.crc32(transaction_id.encode()) % 1000) / 1000 - 0.5
    return pause * (1 + spread / 4)


def longest_wait(limits: Limits) -> float:
    """No pause is longer, whatever the attempt and the id."""
    return limits.max_retry * 9 / 8


@dataclass(slots=True)
class Concurrency:
    """Slow start for one destination.

    Each success that found the limit in use raises it by one, so that it doubles with every
    full round; each time no host answers it is halved, and the destination is left alone for
    a pause that doubles too.
    """

    limit: int
    most: int
    active: int = 0
    failures: int = 0
    dead_until: float = 0.0

    def can_start(self, now: float) -> bool:
        """Tell whether another delivery may begin."""
        return self.active < self.limit and not self.is_dead(now)

    def is_dead(self, now: float) -> bool:
        """Tell whether the destination is left alone."""
        return now < self.dead_until

    def started(self) -> None:
        """Count a delivery under way."""
        self.active += 1

    def reached(self) -> None:
        """A server answered, whatever it said about the recipients."""
        if self.active >= self.limit:
            self.limit = min(self.limit + 1, self.most)
        self.active -= 1
        self.failures = 0
        self.dead_until = 0.0

    def not_reached(self, limits: Limits, now: float) -> None:
        """No server answered."""
        self.active -= 1
        self.limit = max(1, self.limit // 2)
        if self.active == 0 or not self.is_dead(now):
            pause = limits.dead_pause * 2.0 ** min(self.failures, 10)
            self.dead_until = now + min(pause, limits.max_retry)
            self.failures += 1

    def forget(self) -> None:
        """An operator asked for a new try: the past does not count."""
        self.failures, self.dead_until = 0, 0.0

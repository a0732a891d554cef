"""Slows down who guesses passwords: each wrong one makes the next answer wait longer. Pure."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

FREE = 3
"""Wrong passwords that cost nothing: people mistype."""
LONGEST = 30.0
"""Seconds that an answer waits at most."""
FORGIVEN = 900.0
"""Seconds after the last wrong one until all are forgotten."""
KEPT = 10_000
"""Pairs that are remembered; beyond, the oldest is forgotten."""

Guesser = tuple[str, str]
"""Address and login: who guesses one trainee's password does not keep that trainee out elsewhere."""


@dataclass(slots=True)
class Brake:
    """Counts wrong passwords. Times are seconds of any clock that only goes on."""

    _wrong: OrderedDict[Guesser, tuple[int, float]] = field(default_factory=OrderedDict)

    def wait(self, who: Guesser, now: float) -> float:
        """Seconds that the next answer to them must wait."""
        count, last = self._wrong.get(who, (0, now))
        if count < FREE or now - last > FORGIVEN:
            return 0.0
        return float(min(2 ** (count - FREE), LONGEST))

    def wrong(self, who: Guesser, now: float) -> None:
        """They gave a wrong password."""
        count, last = self._wrong.pop(who, (0, now))
        self._wrong[who] = (1 if now - last > FORGIVEN else count + 1, now)
        if len(self._wrong) > KEPT:
            self._wrong.popitem(last=False)

    def right(self, who: Guesser) -> None:
        """They gave the right one."""
        self._wrong.pop(who, None)

"""Answers of the last moment, kept by who asks: at a busy moment the same is asked again and again.

Pure: the time comes in as an argument.  smtps keeps decisions about access, qmgr keeps routes.
Only answers that would be given again are kept, and not for long: a map that was built anew counts
at once for who built it and then sends a mail, yet under load nearly all questions are known.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final, Generic, TypeVar

from meta1.messages import AccessChecked, RouteResolved
from meta1.queue.envelope import Outcome

LIFETIME: Final = 0.2
MAX_KEPT: Final = 5_000
_MANY_TARGETS: Final = 10

Answer = TypeVar("Answer", AccessChecked, RouteResolved)


class Memo(Generic[Answer]):
    """What was answered, by question."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._kept: dict[Hashable, tuple[float, Answer]] = {}

    def find(self, question: Hashable, now: float) -> Answer | None:
        """The answer to a question, if it is known and not old."""
        known = self._kept.get(question)
        return known[1] if known is not None and now < known[0] else None

    def keep(self, question: Hashable, answer: Answer, now: float) -> None:
        """Remember an answer that has just come, if it is certain."""
        if not _is_certain(answer):
            return
        if len(self._kept) >= MAX_KEPT:
            self._kept.clear()
        self._kept[question] = (now + LIFETIME, answer)

    def clear(self) -> None:
        """Forget all: who answers is gone, and may come back with other answers."""
        self._kept.clear()


def _is_certain(answer: AccessChecked | RouteResolved) -> bool:
    """Tell whether the same answer would be given a moment later, and is not too long to keep."""
    if isinstance(answer, RouteResolved):
        return answer.outcome is not Outcome.RETRY and len(answer.targets) <= _MANY_TARGETS
    return answer.code != 451

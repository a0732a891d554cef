"""What who asks remembers of the answers."""

from __future__ import annotations

import pytest

from meta1.memo import LIFETIME, MAX_KEPT, Memo
from meta1.messages import (
    AccessChecked,
    Host,
    NextHop,
    RouteResolved,
    Target,
    Transport,
    Verdict,
)
from meta1.queue.envelope import Outcome

HOP = NextHop(Transport.LMTP, "lmtp", (Host("lmtp", "/lmtp"),))
ACCEPTED = AccessChecked(7, Verdict.ACCEPT)


def test_an_answer_lives_for_a_moment() -> None:
    """No longer, however often it is asked for; and not when who answers is gone."""
    memo: Memo[AccessChecked] = Memo()
    assert memo.find("a", 0.0) is None
    memo.keep("a", ACCEPTED, 0.0)
    assert memo.find("a", LIFETIME - 0.01) is ACCEPTED
    assert memo.find("b", 0.0) is None
    assert memo.find("a", LIFETIME) is None
    memo.keep("a", ACCEPTED, 5.0)
    memo.clear()
    assert memo.find("a", 5.0) is None


def route(outcome: Outcome, targets: int) -> RouteResolved:
    """An answer about a recipient."""
    return RouteResolved(1, outcome, tuple(Target(f"u{n}@x.test", HOP) for n in range(targets)))


@pytest.mark.parametrize(
    ("answer", "is_kept"),
    [
        (ACCEPTED, True),
        (AccessChecked(1, Verdict.REFUSE, 550, "5.7.1", "no"), True),
        (AccessChecked(1, Verdict.TRY_LATER, 450, "4.7.1", "the map says so"), True),
        (AccessChecked(1, Verdict.TRY_LATER, 451, "4.3.0", "not now"), False),
    ],
)
def test_only_certain_decisions_are_kept(answer: AccessChecked, is_kept: bool) -> None:
    """That a map could not be asked may be over in a moment."""
    memo: Memo[AccessChecked] = Memo()
    memo.keep("a", answer, 0.0)
    assert (memo.find("a", 0.0) is answer) is is_kept


@pytest.mark.parametrize(
    ("answer", "is_kept"),
    [
        (route(Outcome.DELIVERED, 1), True),
        (route(Outcome.FAILED, 0), True),
        (route(Outcome.RETRY, 0), False),
        (route(Outcome.DELIVERED, 500), False),
    ],
)
def test_only_certain_routes_are_kept(answer: RouteResolved, is_kept: bool) -> None:
    """A DNS that did not answer is asked again; a long list fills no memory."""
    memo: Memo[RouteResolved] = Memo()
    memo.keep("a", answer, 0.0)
    assert (memo.find("a", 0.0) is answer) is is_kept


def test_memory_is_bounded() -> None:
    """A client that tries all names there are does not fill it."""
    memo: Memo[AccessChecked] = Memo()
    for number in range(MAX_KEPT * 2 + 1):
        memo.keep(number, ACCEPTED, 0.0)
    assert sum(memo.find(number, 0.0) is not None for number in range(MAX_KEPT * 2 + 1)) == 1

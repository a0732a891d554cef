"""Who is told what: the rules about reports, as one function from facts to recipients of news.

Pure.  RFC 3461 says when a report is wanted, RFC 5321 4.5.5 that a message from the null path
is never answered; a report that cannot be delivered goes to `double_bounce` once, or nowhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from meta1.queue.bounce import Action
from meta1.queue.entry import Entry, sender_of

_EVENT: Final = {
    Action.FAILED: "FAILURE",
    Action.DELAYED: "DELAY",
    Action.DELIVERED: "SUCCESS",
    Action.RELAYED: "SUCCESS",
}


@dataclass(frozen=True, slots=True)
class News:
    """One report to make: to whom, about which recipients."""

    to: str
    numbers: tuple[int, ...]
    is_double_bounce: bool = False


@dataclass(frozen=True, slots=True)
class Notices:
    """The reports to make, and the failures nobody can be told about (they are logged)."""

    reports: tuple[News, ...]
    unheard: tuple[int, ...]


def notices(
    entry: Entry, numbers: Iterable[int], action: Action, double_bounce: str | None
) -> Notices:
    """Sort recipients by who hears about them; one report for each of those."""
    by_sender: dict[str, list[int]] = {}
    orphans: list[int] = []
    for number in numbers:
        sender = sender_of(entry, number)
        if sender is None:
            orphans.append(number)
        elif entry.recipients[number].wants(_EVENT[action]):
            by_sender.setdefault(sender, []).append(number)
    reports = [News(to, tuple(which)) for to, which in by_sender.items()]
    if action is not Action.FAILED:
        return Notices(tuple(reports), ())
    if orphans and double_bounce is not None and not entry.is_double_bounce:
        reports.append(News(double_bounce, tuple(orphans), is_double_bounce=True))
        orphans = []
    return Notices(tuple(reports), tuple(orphans))

"""The ledger that judges a run of faults: every message with what its sender was told, and every copy that arrived.

Pure: it knows no machine. A message has a token of its own, so that two of them are never taken for one. What was
answered with 250 must arrive, or come back to its sender with a report, at least once. A second copy is a duplicate,
and the mail log says how far the first one had come when the fault struck.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Told(StrEnum):
    """What a sender knows of a message when its attempt is over. It never sends the same message again."""

    TAKEN = "taken"
    """250 after the final dot: from here on it must not be lost."""
    REFUSED = "refused"
    """A reply of 4yz or 5yz, at whatever step."""
    NOTHING = "nothing"
    """The connection ended without an answer: RFC 5321 4.5.4.1 has the sender try again."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One message. `began` and `ended` are seconds of the sender's own clock."""

    token: str
    told: Told
    began: float
    ended: float
    transaction: str = ""
    """MeTA1's name for it, from the 250."""


class Step(StrEnum):
    """How far the first copy of a duplicate had come before it was forgotten, by the log."""

    UNANSWERED = "the destination had it; smtpc had not noted the answer"
    UNREPORTED = "smtpc had noted the answer; qmgr had not"
    UNRECORDED = "qmgr had noted it; the record was not on the disk"
    UNKNOWN = "the log says nothing about it"


@dataclass(frozen=True, slots=True)
class Account:
    """What became of the messages of a run, by token."""

    taken: int
    arrived: int
    """Messages that arrived or came back, each counted once."""
    lost: Sequence[str]
    doubled: Mapping[str, int]
    """Copies beyond the first."""
    returned: Sequence[str]
    """Taken, not delivered, and reported to the sender."""
    unasked: Sequence[str]
    """Arrived although the sender was not told 250: it will send again, and that is a duplicate to be expected."""
    damaged: Sequence[str]
    """Arrived with another content than was sent."""
    foreign: Sequence[str]
    """Copies of messages that nobody sent."""
    told: Mapping[str, int] = field(default_factory=dict)

    @property
    def duplicates(self) -> int:
        """Count the copies beyond the first."""
        return sum(self.doubled.values())

    @property
    def clean(self) -> bool:
        """Nothing lost, nothing damaged, nothing out of nowhere."""
        return not (self.lost or self.damaged or self.foreign)


def account(
    sent: Iterable[Sent],
    arrived: Iterable[str],
    returned: Iterable[str] = (),
    damaged: Iterable[str] = (),
) -> Account:
    """Hold what was sent against the copies that arrived and the reports that came back, each by its token."""
    by_token = {each.token: each for each in sent}
    copies, back = Counter(arrived), set(returned)
    taken = {token for token, each in by_token.items() if each.told is Told.TAKEN}
    there = set(copies) | back
    return Account(
        taken=len(taken),
        arrived=len(there & set(by_token)),
        lost=sorted(taken - there),
        doubled={token: count - 1 for token, count in sorted(copies.items()) if count > 1},
        returned=sorted((back & taken) - set(copies)),
        unasked=sorted(there & set(by_token) - taken),
        damaged=sorted(damaged),
        foreign=sorted(there - set(by_token)),
        told=dict(Counter(str(each.told) for each in by_token.values())),
    )


def explained(
    doubled: Mapping[str, int], transactions: Mapping[str, str], log: Iterable[str]
) -> Counter[Step]:
    """Say for each copy beyond the first how far the one before it had come.

    `transactions` has the name of each message in the log. Where the log has an answer from smtpc, or a note of
    qmgr's, for every copy but the last, that is how far they came; copies of which it has nothing came less far.
    """
    wanted = {transactions[token] for token in doubled if transactions.get(token)}
    handed, noted = Counter[str](), Counter[str]()
    for line in log:
        for name, what, rest in FACT.findall(line):
            if name in wanted and what == "handed_over" and re.search(r"\bcode=\"?2", rest):
                handed[name] += 1
            if name in wanted and what == "attempted" and "outcome=DELIVERED" in rest:
                noted[name] += 1
    steps = Counter[Step]()
    for token, extra in doubled.items():
        name = transactions.get(token, "")
        answers, notes, copies = handed[name], noted[name], extra + 1
        if not (answers or notes):
            steps[Step.UNKNOWN] += extra
            continue
        unanswered = min(extra, max(0, copies - answers))
        unreported = min(extra - unanswered, max(0, min(answers, copies) - notes))
        steps[Step.UNANSWERED] += unanswered
        steps[Step.UNREPORTED] += unreported
        steps[Step.UNRECORDED] += extra - unanswered - unreported
    return +steps


FACT = re.compile(r"\b([SQ][0-9A-F]{18}) (handed_over|attempted) (.*)")
"""A line of smtpc's or of qmgr's about one delivery."""

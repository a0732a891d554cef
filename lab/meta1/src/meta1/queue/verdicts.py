"""Verdicts: what follows from the result for each recipient.

Delivered is written down, a failure is reported, anything else waits for its next attempt,
until the message is too old.  Used by the desk; makes reports, sends nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from meta1 import maillog
from meta1.messages import RecipientResult
from meta1.queue.bounce import Action, Reporter, make_report
from meta1.queue.entry import Entry
from meta1.queue.envelope import Outcome
from meta1.queue.ledger import Ledger
from meta1.queue.notify import notices
from meta1.queue.schedule import Limits, retry_after

EXPIRED: Final = "5.4.7"


@dataclass(slots=True)
class Sorted:
    """The recipients of one round of results, by what must be done."""

    delivered: list[int] = field(default_factory=list)
    passed_on: list[int] = field(default_factory=list)
    """Delivered, and the next server sends the reports from now on."""
    failed: list[int] = field(default_factory=list)
    waiting: list[int] = field(default_factory=list)


class Verdicts:
    """Applies results to entries."""

    def __init__(
        self, limits: Limits, reporter: Reporter, double_bounce: str | None,
        ledger: Ledger, new_id: Callable[[], str],
    ) -> None:  # fmt: skip
        """Prepare; the limits may be replaced when the configuration is read again."""
        self.limits = limits
        self.reporter = reporter
        self.double_bounce = double_bounce
        self._ledger = ledger
        self._new_id = new_id

    def apply(
        self, entry: Entry, results: dict[int, RecipientResult], now: float,
        host: str = "", is_local: bool = False,
    ) -> list[Entry]:  # fmt: skip
        """Change the entry as the results demand; give the reports that were made."""
        found = Sorted()
        for number, result in results.items():
            if entry.recipients[number].is_open:
                self._sort(entry, number, result, host, now, found)
        reports = self._tell(entry, found.failed, Action.FAILED, now)
        success = Action.DELIVERED if is_local else Action.RELAYED
        reports += self._tell(entry, found.delivered, success, now)
        if found.passed_on:
            self._ledger.close(entry, found.passed_on)
        reports += self._warn(entry, found.waiting, now)
        if entry.is_finished:
            maillog.finished(
                entry.transaction_id, sender=entry.envelope.reverse_path,
                nrcpts=len(entry.recipients), seconds=f"{now - entry.arrived:.2f}",
            )  # fmt: skip
        return reports

    def _sort(
        self, entry: Entry, number: int, result: RecipientResult, host: str, now: float,
        found: Sorted,
    ) -> None:  # fmt: skip
        """Note one result and log it."""
        state = entry.recipients[number]
        state.attempts += 1
        state.code, state.enhanced_code = result.code, result.enhanced_code
        state.text, state.host = result.text, host
        age = now - entry.arrived
        outcome = result.outcome
        if outcome is Outcome.DELIVERED:
            (found.passed_on if result.relayed else found.delivered).append(number)
        elif outcome is Outcome.FAILED:
            found.failed.append(number)
        elif age >= self.limits.lifetime(entry.envelope.is_bounce):
            state.enhanced_code, outcome = EXPIRED, Outcome.FAILED
            state.text = f"not delivered in time; last: {result.text}"
            found.failed.append(number)
        else:
            pause = retry_after(self.limits, state.attempts, entry.transaction_id)
            state.next_try = now + pause
            found.waiting.append(number)
        maillog.attempted(
            entry.transaction_id, to=state.forward_path, outcome=outcome.value, host=host,
            code=state.code or None, status=state.enhanced_code, text=state.text,
            attempt=state.attempts, seconds=f"{age:.2f}",
        )  # fmt: skip

    def _warn(self, entry: Entry, waiting: list[int], now: float) -> list[Entry]:
        """Tell the sender, once, that a recipient has waited long."""
        limit = self.limits.warning_timeout
        if not limit or now - entry.arrived < limit or entry.is_report:
            return []
        late = [number for number in waiting if not entry.recipients[number].warned]
        for number in late:
            entry.recipients[number].warned = True
        return self._tell(entry, late, Action.DELAYED, now)

    def _tell(self, entry: Entry, numbers: list[int], action: Action, now: float) -> list[Entry]:
        """Make the reports that are wanted, and close what is over."""
        if not numbers:
            return []
        over = action is not Action.DELAYED
        news = notices(entry, numbers, action, self.double_bounce)
        reports = []
        for one in news.reports:
            report = self._report(entry, list(one.numbers), action, one.to, now)
            report.is_double_bounce = one.is_double_bounce
            self._ledger.admit_report(report, entry, one.numbers if over else ())
            reports.append(report)
        told = {number for one in news.reports for number in one.numbers}
        rest = [number for number in numbers if number not in told]
        if over and rest:
            self._ledger.close(entry, rest)
        for number in news.unheard:
            maillog.trouble(
                "double bounce dropped", transaction=entry.transaction_id,
                to=entry.recipients[number].forward_path,
            )  # fmt: skip
        return reports

    def _report(
        self, entry: Entry, numbers: list[int], action: Action, to: str, now: float
    ) -> Entry:
        """Make one report and log it."""
        lifetime = self.limits.lifetime(entry.envelope.is_bounce)
        report = make_report(
            replace(self.reporter, lifetime=lifetime), entry, numbers, action,
            transaction_id=self._new_id(), to=self.reporter.address(to), now=now,
        )  # fmt: skip
        maillog.bounced(
            entry.transaction_id, action.value, to=to, report=report.transaction_id,
            nrcpts=len(numbers),
        )  # fmt: skip
        return report

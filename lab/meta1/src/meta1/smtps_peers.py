"""What smtps asks of the others: access and client names of smar, safe keeping of qmgr.

Each question has a callback that is called exactly once, with None when there is no answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from meta1 import maillog
from meta1.channel import Channel
from meta1.link import Link, Requests
from meta1.memo import Memo
from meta1.messages import (
    AbortTransaction,
    AccessChecked,
    CheckAccess,
    ClientResolved,
    CommitTransaction,
    Hello,
    Message,
    QueueStateChanged,
    RemoveSegment,
    ResolveClient,
    SealSegment,
    TransactionCommitted,
    TransactionRefused,
)
from meta1.queue.envelope import Envelope
from meta1.smtp import reply as replies
from meta1.smtp.reply import Reply, reply

PATIENCE: Final = 30.0
"""How long a client waits for a decision of smar, which itself may wait for DNS."""
COMMIT_PATIENCE: Final = 60.0
NAME_TTL: Final = 30.0
MAX_NAMES: Final = 10_000
COMMITTED: Final = reply(250, "2.0.0", "Committed")

OnAccess = Callable[[AccessChecked | None], None]
OnResolved = Callable[[ClientResolved | None], None]
OnCommitted = Callable[[Reply], None]


class Peers:
    """The links to qmgr and smar, and the questions under way."""

    def __init__(
        self,
        queue_directory: Path,
        process: int,
        leftover: Callable[[], list[str]],
        remove: Callable[[str], bool],
    ) -> None:
        """Prepare; `leftover` and `remove` are the content database's."""
        hello = Hello("smtps", process=process)
        self._leftover = leftover
        self._remove = remove
        self.accepting = False
        self._access: Requests[AccessChecked] = Requests(PATIENCE)
        self._resolve: Requests[ClientResolved] = Requests(PATIENCE)
        self._decisions: Memo[AccessChecked] = Memo()
        self._names: dict[str, tuple[float, ClientResolved]] = {}
        self._commits: dict[str, tuple[float, OnCommitted]] = {}
        self._time = asyncio.get_running_loop().time
        self.qmgr = Link(
            queue_directory / "qmgr" / "smtps.sock",
            hello,
            self._on_qmgr,
            self._on_qmgr_open,
            self._on_qmgr_close,
        )
        self.smar = Link(
            queue_directory / "smar" / "smar.sock",
            hello,
            self._on_smar,
            self._on_smar_open,
            self._on_smar_close,
        )

    def start(self) -> None:
        """Connect, now and after each loss."""
        self.qmgr.start()
        self.smar.start()

    def stop(self) -> None:
        """Close both links."""
        self.qmgr.stop()
        self.smar.stop()

    @property
    def waiting(self) -> int:
        """Count the commits under way."""
        return len(self._commits)

    # ---- questions -------------------------------------------------------------------------

    def check(self, question: CheckAccess, callback: OnAccess) -> None:
        """Ask smar for a decision, or remember one; the number of the question is given here."""
        now = self._time()
        known = self._decisions.find(question, now)
        if known is not None:
            callback(known)
        elif not self.smar.is_open:
            callback(None)
        else:

            def note(checked: AccessChecked | None) -> None:
                if checked is not None:
                    self._decisions.keep(question, checked, self._time())
                callback(checked)

            self.smar.send(replace(question, request_id=self._access.begin(now, note)))

    def resolve(self, address: str, callback: OnResolved) -> None:
        """Ask smar for the name of a client, or remember it: busy clients come often."""
        now = self._time()
        known = self._names.get(address)
        if known is not None and known[0] > now:
            callback(known[1])
        elif not self.smar.is_open:
            callback(None)
        else:

            def note(found: ClientResolved | None) -> None:
                self._remember(address, found)
                callback(found)

            self.smar.send(ResolveClient(self._resolve.begin(now, note), address))

    def _remember(self, address: str, found: ClientResolved | None) -> None:
        """Keep a good name for a while; anything else is asked for again."""
        if found is not None and found.resolve == "OK":
            if len(self._names) >= MAX_NAMES:
                self._names.clear()
            self._names[address] = (self._time() + NAME_TTL, found)

    def refusal(self) -> Reply | None:
        """Say why no mail can be taken now, if so."""
        if not self.qmgr.is_open:
            return replies.SERVICE_MISSING
        return None if self.accepting and not self.qmgr.is_congested else replies.QUEUE_FULL

    def commit(self, envelope: Envelope, callback: OnCommitted) -> None:
        """Hand an envelope to qmgr; a positive reply says that it is on disk."""
        if not self.qmgr.is_open:
            callback(replies.SERVICE_MISSING)
            return
        self._commits[envelope.transaction_id] = (self._time() + COMMIT_PATIENCE, callback)
        self.qmgr.send(CommitTransaction(envelope))

    def abort(self, transaction_id: str) -> None:
        """Take an envelope back whose content was lost."""
        self.qmgr.send(AbortTransaction(transaction_id))

    def seal(self, name: str) -> None:
        """Tell qmgr that a content file is complete; after each Hello all are told anyway."""
        self.qmgr.send(SealSegment(name))

    def expire(self, now: float) -> None:
        """Give up questions that have waited too long."""
        late = self._access.expire(now) + self._resolve.expire(now)
        for transaction_id, (deadline, _) in list(self._commits.items()):
            if deadline > now:
                break
            late += 1
            self._committed(transaction_id, replies.TRY_LATER)
        if late:
            maillog.trouble("no_answer", questions=late)

    # ---- answers ---------------------------------------------------------------------------

    def _on_qmgr(self, channel: Channel, message: Message) -> None:
        match message:
            case TransactionCommitted(transaction_id):
                self._committed(transaction_id, COMMITTED)
            case TransactionRefused(transaction_id, code, enhanced, text):
                refusal = reply(code, enhanced, text) if code >= 400 else replies.TRY_LATER
                self._committed(transaction_id, refusal)
            case RemoveSegment(path):
                self._remove(path)
            case QueueStateChanged(accepting, reason):
                self.accepting = accepting
                maillog.note("queue_state", accepting=accepting, reason=reason)
            case _:
                maillog.trouble("unexpected_message", kind=type(message).__name__)

    def _committed(self, transaction_id: str, answer: Reply) -> None:
        entry = self._commits.pop(transaction_id, None)
        if entry is not None:
            entry[1](answer)

    def _on_qmgr_open(self, channel: Channel, hello: Hello) -> None:
        """Tell which files are complete, so that orphans of a crash are found and removed."""
        for name in self._leftover():
            channel.send(SealSegment(name))

    def _on_qmgr_close(self, channel: Channel) -> None:
        """Answer for qmgr: whether it kept an envelope is not known, so the client tries again."""
        self.accepting = False
        commits, self._commits = self._commits, {}
        maillog.trouble("qmgr_lost", commits=len(commits))
        for _, callback in commits.values():
            callback(replies.TRY_LATER)

    def _on_smar(self, channel: Channel, message: Message) -> None:
        match message:
            case AccessChecked(request_id):
                self._access.finish(request_id, message)
            case ClientResolved(request_id):
                self._resolve.finish(request_id, message)
            case _:
                maillog.trouble("unexpected_message", kind=type(message).__name__)

    def _on_smar_open(self, channel: Channel, hello: Hello) -> None:
        maillog.note("smar_connected")

    def _on_smar_close(self, channel: Channel) -> None:
        self._decisions.clear()
        lost = self._access.fail_all() + self._resolve.fail_all()
        maillog.trouble("smar_lost", questions=lost)

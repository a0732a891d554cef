"""One mail on its way in: from MAIL to the moment when content and envelope are both on disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from meta1 import maillog
from meta1.messages import Verdict
from meta1.queue.cdb import LARGE, Cdb, LargeContent, is_full
from meta1.queue.envelope import NULL_PATH, Content, Envelope, Recipient
from meta1.smtp import reply as replies
from meta1.smtp.events import RecipientGiven
from meta1.smtp.parameters import MailParameters
from meta1.smtp.reply import Reply, reply
from meta1.smtp.syntax import Mailbox, NullPath
from meta1.smtps_peers import Peers

OnKept = Callable[[Reply], None]


@dataclass(slots=True)
class Transaction:
    """What was said since MAIL; the content goes to memory, or to a file once it is large."""

    transaction_id: str
    reverse_path: Mailbox | NullPath
    parameters: MailParameters
    cdb: Cdb
    peers: Peers
    is_discarded: bool = False
    recipients: list[Recipient] = field(default_factory=list)
    size: int = 0
    content: Content | None = None
    _pieces: list[bytes] = field(default_factory=list)
    _large: LargeContent | None = None
    _header_length: int = 0
    _on_kept: OnKept | None = None
    _results: list[Reply] = field(default_factory=list)

    def add_recipient(self, event: RecipientGiven, mailbox: str, verdict: Verdict) -> None:
        """Note a recipient that was accepted; one to be discarded is not kept."""
        if verdict is not Verdict.DISCARD:
            notify = ",".join(sorted(event.parameters.notify))
            self.recipients.append(Recipient(mailbox, notify, event.parameters.orcpt))

    def add_content(self, piece: bytes) -> None:
        """Take a piece of content; raises OSError."""
        self.size += len(piece)
        if self._large is not None:
            self._large.write(piece)
            return
        self._pieces.append(piece)
        if self.size >= LARGE:
            self._spill()

    def _spill(self) -> None:
        """Move to a file what is too large for memory."""
        start = b"".join(self._pieces)
        self._pieces.clear()
        self._header_length = _header_length(start)
        self._large = self.cdb.begin_large()
        self._large.write(start)

    def keep(self, on_kept: OnKept) -> None:
        """Sync content and commit the envelope side by side; 250 only when both are done."""
        if self.is_discarded or not self.recipients:
            self.abort()
            on_kept(self._accepted())
            return
        self._on_kept = on_kept
        try:
            self.content = self._store()
        except OSError as error:
            self._results.append(replies.OK)
            self._finish(reply_to_failed_write(error))
            return
        self.peers.commit(self._envelope(self.content), self._finish)
        if self._large is not None:
            self.cdb.end_large(self._large.name)

    def _store(self) -> Content:
        """Write the content, so that whoever hears of the envelope can read it."""
        if self._large is not None:
            return self._large.finish(self._header_length, self._on_synced)
        data = b"".join(self._pieces)
        self._pieces.clear()
        return self.cdb.append(data, _header_length(data), self._on_synced)

    def _envelope(self, content: Content) -> Envelope:
        null = isinstance(self.reverse_path, NullPath)
        return Envelope(
            self.transaction_id,
            NULL_PATH if null else str(self.reverse_path),
            tuple(self.recipients),
            content,
            self.parameters.body,
            False,
            self.parameters.envid,
            self.parameters.ret,
        )

    def _on_synced(self, error: OSError | None) -> None:
        if error is not None:
            self.peers.abort(self.transaction_id)
        self._finish(replies.OK if error is None else reply_to_failed_write(error))

    def _finish(self, result: Reply) -> None:
        """Wait for the second of the two results; the worse one is the reply."""
        self._results.append(result)
        if len(self._results) == 2 and self._on_kept is not None:
            worst = max(self._results, key=lambda one: one.code)
            if worst.is_positive:
                worst = self._accepted()
            self._on_kept(worst)

    def _accepted(self) -> Reply:
        return reply(250, "2.0.0", f"{self.transaction_id} Message accepted")

    def abort(self) -> None:
        """Forget what was taken so far; what `keep` began goes on by itself."""
        self._pieces.clear()
        if self._large is not None and self._on_kept is None:
            self._large.abort()
            self._large = None


def reply_to_failed_write(error: OSError) -> Reply:
    """Choose the reply to a failed write, and tell the one who can mend it."""
    maillog.trouble("content_not_kept", error=error)
    return replies.STORAGE_FULL if is_full(error) else replies.TRY_LATER


def _header_length(data: bytes) -> int:
    """Find the end of the header; 0 if it is not in this piece."""
    end = data.find(b"\r\n\r\n")
    return end + 4 if end >= 0 else 0

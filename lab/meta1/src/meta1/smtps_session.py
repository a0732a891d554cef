"""One SMTP session: what each event of the core means, and who is asked about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from meta1 import maillog
from meta1.access_table import GREETING_CODES
from meta1.messages import AccessChecked, CheckAccess, ClientResolved, Stage, Verdict
from meta1.queue.envelope import NULL_PATH
from meta1.smtp import events as ev
from meta1.smtp import reply as replies
from meta1.smtp.received import Trace, received_line
from meta1.smtp.reply import Reply, reply
from meta1.smtp.state import State
from meta1.smtp.syntax import Mailbox, NullPath
from meta1.smtps_auth import AuthAttempt
from meta1.smtps_connection import Connection
from meta1.smtps_peers import OnAccess
from meta1.smtps_transaction import Transaction, reply_to_failed_write
from meta1.tls import TlsFacts

if TYPE_CHECKING:
    from meta1.smtps import Server

NOT_CHECKED: Final = AccessChecked(0, Verdict.TRY_LATER, 451, "4.3.0", "Access cannot be checked")
ACCEPTED: Final = AccessChecked(0, Verdict.ACCEPT)
_NO_TLS: Final = TlsFacts("", "", 0, "")
_SHOWN: Final = 5
"""Recipients named in the closing line; the others are counted."""


class Session(Connection):
    """A client and what it has said so far."""

    def __init__(self, server: Server) -> None:
        """Start without transaction and authentication."""
        super().__init__(server)
        self.transaction: Transaction | None = None
        self.auth: AuthAttempt | None = None
        self._discards = False
        self._skips_mail_check = False
        self._is_stopping = False
        self._failed = replies.TRY_LATER
        self._transaction_id = ""

    def begin(self) -> None:
        """Learn the client's name; with the access map it is judged before the greeting."""
        if self.policy.uses_map:
            self.server.peers.resolve(self.client.address, self._on_resolved)
        else:
            self.server.peers.resolve(self.client.address, self._note_name)
            self.run(self.core.greet())

    def handle(self, event: ev.ServerEvent) -> None:
        """Do what an event asks for."""
        HANDLERS[type(event)](self, event)

    def stop(self) -> None:
        """End the session now, or behind the mail that is being received."""
        self._is_stopping = True
        if self.core.state is not State.CONTENT:
            self.end(replies.SHUTTING_DOWN, "shutting down")

    def forget(self) -> None:
        """Give up an open transaction and an open authentication."""
        self._drop_transaction()
        if self.auth is not None:
            self.auth.dispose()
            self.auth = None

    # ---- the client ------------------------------------------------------------------------

    def _note_name(self, found: ClientResolved | None) -> None:
        """Remember the client's name."""
        if found is None:
            self.client = replace(self.client, resolve="TEMP")
        else:
            self.client = replace(self.client, name=found.name, resolve=found.resolve)

    def _on_resolved(self, found: ClientResolved | None) -> None:
        self._note_name(found)
        if self.policy.delays_checks:
            self._on_client_checked(ACCEPTED)
        else:
            self._ask(Stage.CONNECT, "", self._on_client_checked)

    def _on_client_checked(self, checked: AccessChecked | None) -> None:
        """Greet the client, or tell it why not."""
        if self.core.is_closed:
            return
        refusal = self._refusal("CONNECT", checked)
        if refusal is not None:
            # RFC 5321 3.1: a server that does not want the client says 554, or 421 for a while.
            refusal = replace(refusal, code=GREETING_CODES[refusal.code // 100])
        self.run(self.core.greet(refusal))
        if self.core.state is State.REFUSED:
            self.await_quit()

    def _refusal(self, stage: str, checked: AccessChecked | None) -> Reply | None:
        """Turn smar's answer into a refusal, or note what it allows; no answer is a refusal."""
        checked = checked or NOT_CHECKED
        if checked.verdict in (Verdict.REFUSE, Verdict.TRY_LATER):
            if checked.rule:
                maillog.note("rule", session=self.session_id, stage=stage, rule=checked.rule)
            return reply(checked.code, checked.enhanced_code, checked.text)
        if stage == "CONNECT":
            self._skips_mail_check = checked.final
        if stage != "RCPT" and checked.verdict is Verdict.DISCARD:
            self._discard(stage)
        return None

    def _discard(self, stage: str) -> None:
        """Take mail and throw it away: all of the session, or this one."""
        if stage == "CONNECT":
            self._discards = True
        elif self.transaction is not None:
            self.transaction.is_discarded = True

    def _on_greeted(self, event: ev.Greeted) -> None:
        self.client = replace(self.client, helo=event.name)

    # ---- a transaction ---------------------------------------------------------------------

    def _on_mail(self, event: ev.MailGiven) -> None:
        refusal = self.server.refusal(event.parameters.size)
        if refusal is not None:
            self.answer(event.number, refusal)
            return
        self._transaction_id = self.server.ids.next()
        self.transaction = Transaction(
            self._transaction_id,
            event.reverse_path,
            event.parameters,
            self.server.cdb,
            self.server.peers,
            self._discards,
        )
        if not self.policy.uses_map or self.policy.delays_checks or self._skips_mail_check:
            self.answer(event.number, replies.SENDER_OK)
            return

        def decide(checked: AccessChecked | None) -> None:
            self.answer(event.number, self._refusal("MAIL", checked) or replies.SENDER_OK)

        self._ask(Stage.MAIL, "", decide)

    def _on_rcpt(self, event: ev.RecipientGiven) -> None:
        transaction = self.transaction
        if transaction is None:
            self.answer(event.number, replies.MAIL_FIRST)
            return
        path = event.forward_path
        # RFC 5321 4.5.1: <postmaster> without a domain is ours.
        full = path if path.domain else Mailbox(path.local_part, self.policy.settings.host_name)

        def decide(checked: AccessChecked | None) -> None:
            refusal = self._refusal("RCPT", checked)
            if refusal is None and checked is not None:
                transaction.add_recipient(event, str(full), checked.verdict)
            self.answer(event.number, refusal or replies.RECIPIENT_OK)

        self._ask(Stage.RCPT, str(full), decide)

    def _ask(self, stage: Stage, forward_path: str, decide: OnAccess) -> None:
        """Ask smar with all that is known now."""
        client, policy, transaction = self.client, self.policy, self.transaction
        reverse_path = ""
        if transaction is not None:
            null = isinstance(transaction.reverse_path, NullPath)
            reverse_path = NULL_PATH if null else str(transaction.reverse_path)

        question = CheckAccess(
            0, stage, client, reverse_path, forward_path, policy.delays_checks, policy.uses_map
        )
        self.server.peers.check(question, decide)

    def _on_content_offered(self, event: ev.ContentOffered) -> None:
        transaction = self.transaction
        refusal = self.server.refusal(0)
        if transaction is None or refusal is not None:
            self.answer(event.number, refusal or replies.MAIL_FIRST)
            return
        self.begin_content()
        self._add_content(received_line(self._trace(transaction), self.server.wall_clock()))
        self.answer(event.number, replies.START_CONTENT)

    def _trace(self, transaction: Transaction) -> Trace:
        """Collect what the Received line says."""
        tls = self.tls or _NO_TLS
        only = transaction.recipients[0] if len(transaction.recipients) == 1 else None
        return Trace(
            self.client.helo,
            self.client.name,
            self.client.address,
            self.policy.settings.host_name,
            self.policy.settings.product,
            self.core.is_extended,
            transaction.transaction_id,
            tls.version,
            tls.cipher,
            tls.bits,
            tls.verify,
            self.core.is_authenticated,
            only.forward_path if only is not None else "",
        )

    def _on_content(self, event: ev.ContentArrived) -> None:
        self._add_content(event.chunk)
        self.note_content(len(event.chunk))

    def _add_content(self, chunk: bytes) -> None:
        if self.transaction is None:
            return
        try:
            self.transaction.add_content(chunk)
        except OSError as error:
            self._failed = reply_to_failed_write(error)
            self._drop_transaction()

    def _on_content_refused(self, event: ev.ContentRefused) -> None:
        self._drop_transaction()
        self.end_content()

    def _on_content_complete(self, event: ev.ContentComplete) -> None:
        transaction, self.transaction = self.transaction, None
        self.end_content()
        if transaction is None:
            self.answer(event.number, self._failed)
            return

        def kept(decision: Reply) -> None:
            if decision.is_success:
                self._log_received(transaction)
            self.answer(event.number, decision)
            if self._is_stopping:
                self.end(replies.SHUTTING_DOWN, "shutting down")

        transaction.keep(kept)

    def _log_received(self, transaction: Transaction) -> None:
        """Write the closing line: all facts of the mail in one place."""
        self.mails += 1
        client, tls = self.client, self.tls or _NO_TLS
        maillog.received(
            transaction.transaction_id,
            session=self.session_id,
            reverse_path=f"<{transaction.reverse_path}>",
            recipients=len(transaction.recipients),
            to=",".join(each.forward_path for each in transaction.recipients[:_SHOWN]),
            size=transaction.size,
            client=client.address,
            name=client.name,
            helo=client.helo,
            tls=tls.version,
            cipher=tls.cipher,
            verify=tls.verify,
            cert_subject=tls.subject,
            auth=client.auth_mechanism,
            user=client.auth_identity,
            discarded=True if transaction.content is None else None,
        )

    def _drop_transaction(self) -> None:
        transaction, self.transaction = self.transaction, None
        if transaction is not None:
            transaction.abort()

    # ---- AUTH and STARTTLS -----------------------------------------------------------------

    def _on_auth(self, event: ev.AuthStarted) -> None:
        self.auth = AuthAttempt(self, event.mechanism)
        self.auth.start(event.number, event.initial)

    def _on_auth_continued(self, event: ev.AuthContinued) -> None:
        if self.auth is not None:
            self.auth.step(event.number, event.response)

    def _on_auth_cancelled(self, event: ev.AuthCancelled) -> None:
        if self.auth is not None:
            self.auth.dispose()
            self.auth = None

    def be_authenticated(self, mechanism: str, identity: str) -> None:
        """Note who the client is."""
        trusted = mechanism in self.policy.trusted
        self.client = replace(
            self.client, auth_mechanism=mechanism, auth_identity=identity, trusted=trusted
        )

    # ---- endings ---------------------------------------------------------------------------

    def _on_aborted(self, event: ev.TransactionAborted) -> None:
        self._drop_transaction()

    def _on_rejected(self, event: ev.Rejected) -> None:
        maillog.refused(
            self.session_id,
            event.verb or "line",
            str(event.reply),
            client=self.client.address,
            name=self.client.name,
            transaction=self._transaction_id if event.verb in ("RCPT", "DATA") else "",
            argument=event.argument,
            reverse_path=f"<{self.transaction.reverse_path}>" if self.transaction else "",
        )


HANDLERS: Final[dict[type[Any], Callable[[Session, Any], None]]] = {
    ev.Greeted: Session._on_greeted,
    ev.MailGiven: Session._on_mail,
    ev.RecipientGiven: Session._on_rcpt,
    ev.ContentOffered: Session._on_content_offered,
    ev.ContentArrived: Session._on_content,
    ev.ContentRefused: Session._on_content_refused,
    ev.ContentComplete: Session._on_content_complete,
    ev.TransactionAborted: Session._on_aborted,
    ev.AuthStarted: Session._on_auth,
    ev.AuthContinued: Session._on_auth_continued,
    ev.AuthCancelled: Session._on_auth_cancelled,
    ev.Rejected: Session._on_rejected,
}

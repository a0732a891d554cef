"""A delivery under way in smtpc, and how replies become results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from meta1 import maillog
from meta1.messages import Deliver, DeliveryReported, RecipientResult
from meta1.queue.envelope import NULL_PATH, Outcome
from meta1.smtp import syntax
from meta1.smtp.outgoing import DsnRequest, Outgoing
from meta1.smtp.reply import Reply
from meta1.smtpc_body import Body


@dataclass(slots=True)
class Job:
    """One delivery: what to send, and whom to tell."""

    delivery: Deliver
    body: Body
    outgoing: Outgoing
    report: Callable[[DeliveryReported], None]
    had_stale_connection: bool = False

    def done(
        self, results: tuple[Reply, ...], host: str, has_dsn: bool, reached: bool = True
    ) -> None:
        """Report, once; nothing is left open."""
        self.body.close()
        found = tuple([result_of(one, has_dsn) for one in results])
        maillog.handed_over(
            self.delivery.transaction_id, delivery=self.delivery.delivery_id, host=host,
            recipients=len(found), code=" ".join(sorted({str(one.code) for one in found})),
        )  # fmt: skip
        self.report(DeliveryReported(self.delivery.delivery_id, found, host, reached))

    def failed(self, word: Reply, host: str = "", reached: bool = True) -> None:
        """Report the same for all recipients."""
        self.done((word,) * len(self.delivery.forward_paths), host, False, reached)


class BadAddress(Exception):
    """An address cannot be said in SMTP."""


def result_of(reply: Reply, has_dsn: bool) -> RecipientResult:
    """Translate a reply: 2yz delivered, 4yz later, anything else never."""
    if reply.is_success:
        outcome = Outcome.DELIVERED
    else:
        outcome = Outcome.RETRY if reply.is_transient else Outcome.FAILED
    text = "".join(char if char.isprintable() else "?" for char in reply.text)[:1000]
    relayed = has_dsn and outcome is Outcome.DELIVERED
    return RecipientResult(outcome, reply.code, reply.enhanced, text, relayed)


def outgoing_of(delivery: Deliver, size: int) -> Outgoing:
    """Translate the order of qmgr for the protocol core; raises BadAddress."""
    paths = delivery.forward_paths
    notify = delivery.notify or ("",) * len(paths)
    original = delivery.original or ("",) * len(paths)
    people = tuple(
        (_mailbox(path), DsnRequest(wanted, known))
        for path, wanted, known in zip(paths, notify, original, strict=True)
    )
    is_null = delivery.reverse_path == NULL_PATH
    sender = syntax.NULL_PATH if is_null else _mailbox(delivery.reverse_path)
    return Outgoing(sender, people, size, delivery.body, delivery.envelope_id, delivery.return_part)


def _mailbox(text: str) -> syntax.Mailbox:
    """Read an address."""
    if text.lower() == "postmaster":
        return syntax.POSTMASTER
    found = syntax.parse_mailbox(text)
    if found is None:
        raise BadAddress(text)
    return found

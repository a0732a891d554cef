"""Delivery status notifications (RFC 3464): what we tell a sender, as text around the content.

Pure.  A report never holds the message it reports on: its text comes in two pieces, the
prologue and the epilogue, and smtpc puts the header or the whole of the message between them,
straight from the CDB.  Whether anybody is told at all is decided in `notify.py`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from email.utils import formatdate
from enum import StrEnum
from typing import Final

from meta1.queue.entry import Entry, RecipientState
from meta1.queue.envelope import NULL_PATH, Content, Envelope, Recipient

MAX_DIAGNOSTIC: Final = 400


class Action(StrEnum):
    """The Action field of RFC 3464 2.3.3."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"


_SUBJECTS: Final = {
    Action.FAILED: "Undelivered mail returned to sender",
    Action.DELAYED: "Warning: mail not yet delivered",
    Action.DELIVERED: "Mail delivered",
    Action.RELAYED: "Mail passed on",
}
_OPENINGS: Final = {
    Action.FAILED: "Your message could not be delivered to the recipients below.\n"
    "No further attempt will be made.",
    Action.DELAYED: "Your message could not be delivered to the recipients below so far.\n"
    "This is only a warning: you need not send it again, attempts go on.",
    Action.DELIVERED: "Your message was delivered to the recipients below.",
    Action.RELAYED: "Your message was passed on to a mail server that sends no such reports.",
}
_DEFAULT_STATUS: Final = {
    Action.FAILED: "5.0.0",
    Action.DELAYED: "4.0.0",
    Action.DELIVERED: "2.0.0",
    Action.RELAYED: "2.0.0",
}


@dataclass(frozen=True, slots=True)
class Reporter:
    """What all reports of this server share."""

    hostname: str
    postmaster: str
    secret: bytes = b""
    """Makes boundaries that no sender can guess and put into a message."""
    max_content: int = 50 * 1024
    lifetime: float = 0.0

    @property
    def sender(self) -> str:
        """The address in From:, for people who want to ask."""
        return self.address(self.postmaster)

    def address(self, mailbox: str) -> str:
        """Complete an address that the configuration gives without a domain."""
        return mailbox if "@" in mailbox else f"{mailbox}@{self.hostname}"


def make_report(
    reporter: Reporter, entry: Entry, numbers: list[int], action: Action, *,
    transaction_id: str, to: str, now: float,
) -> Entry:  # fmt: skip
    """Make the entry of a report on some recipients of a message."""
    content, full = _returned_part(reporter, entry, action)
    boundary = _boundary(reporter, transaction_id)
    states = [entry.recipients[number] for number in numbers]
    is_global = entry.envelope.smtputf8 or not _is_ascii(to, states)
    parts = [
        _header(reporter, action, boundary, transaction_id, to, now),
        _explanation(reporter, states, action, boundary),
        _status(reporter, entry, states, action, boundary, now, is_global),
    ]
    if content.length:
        parts.append(_content_head(entry, full, boundary))
    envelope = Envelope(
        transaction_id, NULL_PATH, (Recipient(to, "NEVER"),), content,
        body=entry.envelope.body if full else "", smtputf8=is_global,
    )  # fmt: skip
    return Entry(
        envelope, now, [RecipientState(to, "NEVER")],
        prologue="".join(parts), epilogue=f"\r\n--{boundary}--\r\n", is_report=True,
    )  # fmt: skip


def _returned_part(reporter: Reporter, entry: Entry, action: Action) -> tuple[Content, bool]:
    """Choose what of the message goes back (RFC 3461 4.3); only failures bring it whole."""
    content = entry.envelope.content
    small = content.length <= reporter.max_content
    wanted = entry.envelope.return_part != "HDRS" and action is Action.FAILED
    if wanted and small and not entry.is_report:
        return content, True
    return replace(content, length=content.header_length), False


def _header(
    reporter: Reporter, action: Action, boundary: str, transaction_id: str, to: str, now: float
) -> str:
    """The header of the report and of its frame."""
    return (
        f"From: Mail Delivery System <{reporter.sender}>\r\n"
        f"To: <{to}>\r\n"
        f"Subject: {_SUBJECTS[action]}\r\n"
        f"Date: {formatdate(now)}\r\n"
        f"Message-ID: <{transaction_id}@{reporter.hostname}>\r\n"
        "Auto-Submitted: auto-replied\r\n"
        "MIME-Version: 1.0\r\n"
        "Content-Type: multipart/report; report-type=delivery-status;\r\n"
        f'\tboundary="{boundary}"\r\n'
        "\r\n"
    )


def _explanation(
    reporter: Reporter, states: list[RecipientState], action: Action, boundary: str
) -> str:
    """The part for people."""
    lines = [f"This is the mail system at {reporter.hostname}.", "", *_OPENINGS[action].split("\n")]
    for state in states:
        lines += ["", f"<{state.forward_path}>", f"    {_diagnostic(state) or 'no details known'}"]
    lines += ["", f"For further help write to {reporter.sender}.", ""]
    head = f"--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\n"
    return head + "Content-Transfer-Encoding: 8bit\r\n\r\n" + "\r\n".join(lines) + "\r\n"


def _status(
    reporter: Reporter, entry: Entry, states: list[RecipientState], action: Action,
    boundary: str, now: float, is_global: bool,
) -> str:  # fmt: skip
    """The part for programs (RFC 3464 2; RFC 6533 when addresses are not ASCII)."""
    kind = "message/global-delivery-status" if is_global else "message/delivery-status"
    fields = [f"Reporting-MTA: dns; {reporter.hostname}"]
    if entry.envelope.envelope_id:
        fields.append(f"Original-Envelope-Id: {entry.envelope.envelope_id}")
    fields.append(f"X-MeTA1-Transaction: {entry.transaction_id}")
    fields.append(f"Arrival-Date: {formatdate(entry.arrived)}")
    for state in states:
        fields += ["", *_recipient_fields(state, action, entry, reporter, now)]
    return f"\r\n--{boundary}\r\nContent-Type: {kind}\r\n\r\n" + "\r\n".join(fields) + "\r\n"


def _recipient_fields(
    state: RecipientState, action: Action, entry: Entry, reporter: Reporter, now: float
) -> list[str]:
    """The fields about one recipient."""
    kind = "rfc822" if state.forward_path.isascii() else "utf-8"
    fields = [f"Original-Recipient: {state.original}"] if state.original else []
    fields += [
        f"Final-Recipient: {kind}; {state.forward_path}",
        f"Action: {action}",
        f"Status: {_status_code(state, action)}",
    ]
    if state.host:
        # RFC 3464 2.1.2: `dns` stands before names of DNS alone, and the LMTP server has none.
        known_by = "dns" if "." in state.host or ":" in state.host else "x-local"
        fields.append(f"Remote-MTA: {known_by}; {state.host}")
    if state.text:
        fields.append(f"Diagnostic-Code: smtp; {_diagnostic(state)}")
    fields.append(f"Last-Attempt-Date: {formatdate(now)}")
    if action is Action.DELAYED and reporter.lifetime:
        fields.append(f"Will-Retry-Until: {formatdate(entry.arrived + reporter.lifetime)}")
    return fields


def _content_head(entry: Entry, full: bool, boundary: str) -> str:
    """The head of the part with the message or its header."""
    is_eight_bit = entry.envelope.body == "8BITMIME"
    encoding = "Content-Transfer-Encoding: 8bit\r\n" if is_eight_bit and full else ""
    kind = "message/rfc822" if full else "text/rfc822-headers"
    return f"\r\n--{boundary}\r\nContent-Type: {kind}\r\n{encoding}\r\n"


def _status_code(state: RecipientState, action: Action) -> str:
    """The enhanced code, if it fits the action: a failure must not say 4.x.x (RFC 3464 2.3.4)."""
    expected = _DEFAULT_STATUS[action]
    code = state.enhanced_code
    if not code:
        return expected
    return code if code[0] == expected[0] else expected[0] + code[1:]


def _diagnostic(state: RecipientState) -> str:
    """The last reply as one harmless line of ASCII."""
    words = [str(state.code) if state.code else "", state.enhanced_code, state.text]
    line = " ".join(word for word in words if word)
    return "".join(char if " " <= char <= "~" else "?" for char in line)[:MAX_DIAGNOSTIC]


def _boundary(reporter: Reporter, transaction_id: str) -> str:
    """A line that does not stand in the message by accident or on purpose."""
    digest = hashlib.blake2b(transaction_id.encode(), key=reporter.secret, digest_size=12)
    return f"=_{transaction_id}_{digest.hexdigest()}"


def _is_ascii(to: str, states: list[RecipientState]) -> bool:
    """Tell whether an old mail program can read all the addresses."""
    return to.isascii() and all(state.forward_path.isascii() for state in states)

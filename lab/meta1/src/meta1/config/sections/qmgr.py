"""Section ``qmgr``: the queue manager."""

from __future__ import annotations

from dataclasses import dataclass

from meta1.config.compound import Maybe
from meta1.config.kinds import Bytes, Integer, Seconds, Text
from meta1.config.schema import DOCUMENTED, OURS, Section, option, section
from meta1.config.sections.common import Module

MAILBOX = Text(r"[!-~]{1,64}(@[!-~]{1,253})?", "a mail address", 320)


@dataclass(frozen=True, slots=True)
class ClientLimits(Section):
    """How many connections smtpc may have open, for each destination."""

    initial_connections: int = option(
        Integer(1, 10000), 5, DOCUMENTED, "connections to a destination not yet known to work"
    )
    max_connections: int = option(
        Integer(1, 10000), 50, DOCUMENTED, "most connections to one destination"
    )
    max_lmtp_connections: int = option(
        Integer(1, 10000), 8, OURS, "most connections to the LMTP server"
    )
    max_total_connections: int = option(
        Integer(1, 100000), 400, OURS, "most connections to all destinations together"
    )
    max_recipients: int = option(
        Integer(1, 10000), 100, OURS, "recipients handed to a server in one transaction"
    )


@dataclass(frozen=True, slots=True)
class Qmgr(Module):
    """The queue manager."""

    aq_max_entries: int = option(
        Integer(10, 10**7), 8192, DOCUMENTED,
        "entries (recipients) of the active queue; when it is full, smtps answers 452",
        "AQ_max_entries",
    )  # fmt: skip
    smtpc: ClientLimits = section(ClientLimits, DOCUMENTED, "limits for the client")
    min_retry: float = option(
        Seconds(1, 86400), 300.0, OURS, "wait after the first attempt that failed for now"
    )
    max_retry: float = option(
        Seconds(1, 7 * 86400), 14400.0, OURS, "longest wait; each wait is twice the one before"
    )
    return_timeout: float = option(
        Seconds(1, 90 * 86400), 5 * 86400.0, OURS, "age at which a message goes back to its sender"
    )
    bounce_return_timeout: float = option(
        Seconds(1, 90 * 86400), 86400.0, OURS, "the same for a message from the null sender"
    )
    warning_timeout: float = option(
        Seconds(0, 90 * 86400), 14400.0, OURS,
        "age at which the sender is told about the delay, once; 0 for never",
    )  # fmt: skip
    postmaster: str = option(
        MAILBOX, "postmaster", OURS, "sender and last recipient of notices"
    )
    double_bounce: str | None = option(
        Maybe(MAILBOX, "such mail is dropped and logged"), None, OURS,
        "who gets notices that could not be delivered",
    )  # fmt: skip
    max_bounce_size: int = option(
        Bytes(0, 2**30), 50 * 2**10, OURS, "most of the message that a notice brings back"
    )
    ibdb_segment_size: int = option(
        Bytes(64 * 2**10, 2**32), 16 * 2**20, OURS, "size of one file of the journal IBDB"
    )
    min_free_space: int = option(
        Bytes(0), 16 * 2**20, OURS, "free space below which no new mail is taken"
    )

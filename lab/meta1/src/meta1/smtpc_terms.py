"""On what terms smtpc connects: patience, TLS, limits; and the words for a failure."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field

from meta1.smtp.reply import Reply


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for what."""

    connect: float = 30.0
    reply: float = 300.0
    final: float = 600.0
    idle: float = 10.0
    max_transactions: int = 1000

    def for_phase(self, phase: str) -> float:
        """RFC 5321 4.5.3.2: the reply to the final dot may take longest."""
        return self.final if phase == "content" else self.reply


class NotReady(Exception):
    """The session never came as far as taking mail; `tls_failed` tells why it may work without."""

    def __init__(self, text: str, tls_failed: bool = False) -> None:
        """Hold the reason."""
        super().__init__(text)
        self.tls_failed = tls_failed


@dataclass(slots=True)
class Terms:
    """What the configuration says about connecting."""

    hello: str
    patience: Patience
    context: ssl.SSLContext | None
    must_verify: bool = False
    may_fall_back: bool = False
    source: str | None = None
    max_lmtp: int = 8
    without_tls: set[str] = field(default_factory=set)
    """Addresses where TLS failed and mail goes without, where that is allowed."""


def word(code: int, enhanced: str, text: str) -> Reply:
    """A reply of our own."""
    return Reply(code, enhanced, ("".join(c if " " <= c <= "~" else "?" for c in text)[:400],))

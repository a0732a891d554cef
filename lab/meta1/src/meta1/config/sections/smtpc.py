"""Section ``smtpc``: the SMTP and LMTP client."""

from __future__ import annotations

from dataclasses import dataclass

from meta1.config.compound import Flags, Maybe
from meta1.config.kinds import PATH, Address, Integer, IpAddress, Seconds
from meta1.config.schema import DOCUMENTED, OURS, option, optional
from meta1.config.sections.common import Module, TlsFiles


@dataclass(frozen=True, slots=True)
class ClientTls(TlsFiles):
    """STARTTLS as a client: used whenever a server offers it, with or without this section."""

    flags: frozenset[str] = option(
        Flags({
            "verify": "deliver only to servers whose certificate can be verified",
            "fallback": "after a failed handshake deliver without TLS",
        }),
        frozenset(), OURS, "how strict to be",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Smtpc(Module):
    """The SMTP and LMTP client."""

    lmtp_socket: str | None = option(
        Maybe(PATH, "mail for local recipients is deferred"), None, DOCUMENTED,
        "UNIX socket of the LMTP server that takes mail for local recipients", "LMTP_socket",
    )  # fmt: skip
    tls: ClientTls | None = optional(ClientTls, DOCUMENTED, "STARTTLS")
    port: int = option(Integer(1, 65535), 25, OURS, "TCP port of other mail servers")
    source_address: Address | None = option(
        Maybe(IpAddress(), "the choice of the system"), None, OURS, "address to connect from"
    )
    flags: frozenset[str] = option(
        Flags({"ipv6": "connect to IPv6 addresses too"}, frozenset({"ipv6"})),
        frozenset({"ipv6"}), OURS, "how to connect",
    )  # fmt: skip
    connect_timeout: float = option(
        Seconds(1, 3600), 30.0, OURS, "how long to wait for a TCP connection"
    )
    final_timeout: float = option(
        Seconds(1, 86400), 600.0, OURS, "how long to wait for the reply to the final dot"
    )
    idle_timeout: float = option(
        Seconds(0, 3600), 10.0, OURS, "how long an idle connection is kept for the next message"
    )
    max_transactions: int = option(
        Integer(1, 10**9), 1000, OURS, "transactions on one connection before it is closed"
    )

"""Section ``smtps``: the SMTP server."""

from __future__ import annotations

from dataclasses import dataclass

from meta1.config.compound import Flags, Maybe, Words
from meta1.config.kinds import (
    DOMAIN,
    PATH,
    Address,
    Bytes,
    Choice,
    Integer,
    IpAddress,
    Seconds,
    Text,
)
from meta1.config.schema import DOCUMENTED, OURS, Section, option, optional, section
from meta1.config.sections.common import Module, TlsFiles

SMTPS_FLAGS = {
    "8bitmime": "offer 8BITMIME",
    "access": "ask smar for the access map; without it only local recipients are accepted",
    "delay_checks": "decide about the client only at RCPT, so that AUTH and STARTTLS count",
}
MECHANISMS = Words("SASL mechanisms with blanks between them", upper=True, absent="none")


@dataclass(frozen=True, slots=True)
class Auth(Section):
    """SMTP AUTH with Cyrus SASL; without this section AUTH is not offered."""

    trusted_mechanisms: tuple[str, ...] = option(
        MECHANISMS, (), DOCUMENTED, "who authenticated with one of these may relay"
    )
    flags: frozenset[str] = option(
        Flags({
            "noplaintext": "no mechanism that sends the password in plain text, even inside TLS",
            "require_tls": "offer AUTH only inside TLS (ours)",
        }),
        frozenset(), DOCUMENTED, "PLAIN and LOGIN are never offered outside TLS, whatever is set",
    )  # fmt: skip
    mechanisms: tuple[str, ...] = option(
        Words("SASL mechanisms with blanks between them", upper=True,
              absent="the trusted mechanisms"),
        (), OURS, "mechanisms to offer",
    )  # fmt: skip
    realm: str | None = option(
        Maybe(DOMAIN, "the host name"), None, OURS, "SASL realm of users given without one"
    )
    sasldb: str | None = option(
        Maybe(PATH, "the file of the SASL library, /etc/sasldb2"), None, OURS,
        "database of users and secrets",
    )  # fmt: skip
    max_failures: int = option(Integer(1, 100), 3, OURS, "failed attempts before the session ends")


@dataclass(frozen=True, slots=True)
class ServerTls(TlsFiles):
    """STARTTLS as a server; without this section it is not offered."""

    flags: frozenset[str] = option(
        Flags(
            {"request_cert": "ask the client for its certificate"}, frozenset({"request_cert"})
        ),
        frozenset({"request_cert"}), DOCUMENTED, "what the server asks for",
    )  # fmt: skip
    ciphers: str = option(
        Text(), "ECDHE+AESGCM:ECDHE+CHACHA20", OURS,
        "ciphers of TLS 1.2, as OpenSSL writes them; without it those with forward secrecy and "
        "authenticated encryption alone (RFC 9325)",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class MilterSocket(Section):
    """Where a policy milter listens."""

    type: str = option(Choice(("inet", "unix")), "inet", DOCUMENTED, "TCP or UNIX socket")
    address: Address | None = option(
        Maybe(IpAddress()), None, DOCUMENTED, "address, for type inet"
    )
    port: int | None = option(Maybe(Integer(1, 65535)), None, DOCUMENTED, "port, for type inet")
    path: str | None = option(Maybe(PATH), None, DOCUMENTED, "path, for type unix")


@dataclass(frozen=True, slots=True)
class PolicyMilter(Section):
    """A policy milter; its protocol is not public, so this server can never reach one.

    The section is accepted only with accept_but_reconnect, which says to go on without answers.
    """

    socket: MilterSocket = section(MilterSocket, DOCUMENTED, "where it listens")
    timeout: float = option(Seconds(1, 3600), 60.0, DOCUMENTED, "longest wait for an answer")
    flags: frozenset[str] = option(
        Flags({
            "abort": "no answer: end the session with 421",
            "accept_but_reconnect": "no answer: go on, try again with the next session",
        }),
        frozenset(), DOCUMENTED, "what to do when it does not answer",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Smtps(Module):
    """The SMTP server."""

    start_action: str = option(
        Choice(("wait", "pass")), "pass", DOCUMENTED,
        "pass: mcp binds the sockets of listen_socket and passes them; wait: the program binds "
        "them itself, so only for ports above 1023",
    )  # fmt: skip
    pass_fd_socket: str | None = option(
        Maybe(PATH), "smtps/smtpsfd", DOCUMENTED,
        "UNIX socket, made by the module, through which mcp passes the listening sockets; "
        "a relative name is below queue_directory",
    )  # fmt: skip
    cdb_gid: int | None = option(
        Maybe(Integer(0, 2**32 - 2), "the group of the directory cdb"), None, DOCUMENTED,
        "number of the group that may read contents: that of smtpc", "CDB_gid",
    )  # fmt: skip
    flags: frozenset[str] = option(
        Flags(SMTPS_FLAGS), frozenset(), DOCUMENTED, "what the server offers and checks"
    )
    auth: Auth | None = optional(Auth, DOCUMENTED, "SMTP AUTH")
    tls: ServerTls | None = optional(ServerTls, DOCUMENTED, "STARTTLS")
    policy_milter: PolicyMilter | None = optional(
        PolicyMilter, DOCUMENTED, "policy milter; see the warning there"
    )
    processes: int = option(
        Integer(1, 64), 1, OURS, "processes that share the listening sockets"
    )
    max_message_size: int = option(
        Bytes(1024, 2**40), 64 * 2**20, OURS, "largest message accepted, told in SIZE"
    )
    max_sessions: int = option(Integer(1, 100000), 1000, OURS, "sessions at the same time")
    max_sessions_per_client: int = option(
        Integer(1, 100000), 200, OURS, "sessions of one client address at the same time"
    )
    max_recipients: int = option(
        Integer(100, 100000), 1000, OURS, "recipients of one transaction (RFC 5321: at least 100)"
    )
    max_errors: int = option(
        Integer(1, 10000), 20, OURS, "refused commands before the session is closed with 421"
    )
    max_idle_commands: int = option(
        Integer(1, 100000), 100, OURS, "NOOP, RSET, VRFY, HELP without a message before 421"
    )
    max_command_line: int = option(
        Bytes(512, 65536), 2048, OURS, "longest command line, CRLF included"
    )
    max_data_line: int = option(
        Bytes(1000, 2**20), 65536, OURS, "longest line of a message, CRLF included"
    )
    max_hops: int = option(
        Integer(5, 1000), 50, OURS, "Received: headers at which a message counts as looping"
    )
    session_timeout: float = option(
        Seconds(60, 7 * 86400), 7200.0, OURS, "longest life of a session, however busy"
    )
    min_data_rate: int = option(
        Bytes(0, 2**30), 64, OURS,
        "octets a second, averaged over the whole message, below which a client that sends "
        "content is left with 421 after the first minute; 0: any rate will do",
    )  # fmt: skip
    min_free_space: int = option(
        Bytes(0), 64 * 2**20, OURS, "free space below which mail is refused with 452"
    )
    greeting: str = option(
        Text(r"[ -~]{1,80}", "printable text"), "Hi there", OURS, "text of the first EHLO line"
    )

"""What the sections of all modules share: who runs the program, how it logs, TLS files."""

from __future__ import annotations

from dataclasses import dataclass

from meta1.config.compound import ListOf, Maybe, Words
from meta1.config.kinds import NAME, PATH, USER, Choice, Integer, IpAddress, Seconds, Text
from meta1.config.kinds import Address as IpValue
from meta1.config.schema import DOCUMENTED, OURS, Section, many, option, optional

MODULES = ("smtps", "smtpc", "qmgr", "smar")
"""Keywords of the modules, in the order in which the tutorial writes them."""

FACILITIES = (
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv",
    "ftp", *(f"local{number}" for number in range(8)),
)  # fmt: skip
MODULE = Text(NAME.pattern, "the name of a module")


@dataclass(frozen=True, slots=True)
class Log(Section):
    """Send the log to syslog; without this section it goes to standard error."""

    facility: str = option(Choice(FACILITIES), "mail", DOCUMENTED, "facility of syslog")
    ident: str | None = option(
        Maybe(Text(longest=32), "the name of the module"), None, DOCUMENTED,
        "name at the beginning of each line",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class ListenSocket(Section):
    """A socket that mcp binds as root and passes to the module."""

    type: str = option(
        Choice(("inet", "inet6")), "inet", DOCUMENTED,
        "inet for IPv4; inet6, an addition of ours, for IPv6 only",
    )  # fmt: skip
    port: int = option(Integer(1, 65535), 25, DOCUMENTED, "TCP port")
    address: IpValue | None = option(
        Maybe(IpAddress(), "all addresses of the machine"), None, OURS, "address to listen on"
    )
    backlog: int = option(Integer(1, 65535), 1024, OURS, "connections that may wait for accept")


@dataclass(frozen=True, slots=True)
class Module(Section):
    """Options that every module has; the first part is for mcp, which starts it."""

    start_action: str = option(
        Choice(("wait", "pass")), "wait", DOCUMENTED,
        "wait: start the program and start it again when it ends; pass: the same, and pass the "
        "sockets of listen_socket through pass_fd_socket",
    )  # fmt: skip
    user: str | None = option(
        Maybe(USER, "the module's account: meta1s, meta1c, meta1q or meta1m"), None, DOCUMENTED,
        "user to run as, with all groups of that user",
    )  # fmt: skip
    path: str | None = option(
        Maybe(PATH, "the program in libexec"), None, DOCUMENTED, "program to execute"
    )
    arguments: tuple[str, ...] = option(
        Words("arguments with blanks between them, beginning with the program's name",
              absent="the module's name, -f and the name of this file"),
        (), DOCUMENTED, "all arguments, beginning with argument 0",
    )  # fmt: skip
    restart_dependencies: tuple[str, ...] = option(
        ListOf(MODULE), (), DOCUMENTED, "modules to stop and start again together with this one"
    )
    listen_socket: tuple[ListenSocket, ...] = many(
        ListenSocket, DOCUMENTED, "sockets that mcp binds for the module"
    )
    pass_fd_socket: str | None = option(
        Maybe(PATH), None, DOCUMENTED,
        "UNIX socket, made by the module, through which mcp passes the listening sockets; "
        "a relative name is below queue_directory",
    )  # fmt: skip
    log_level: int = option(
        Integer(0, 100), 12, DOCUMENTED, "how much to log: 12 in normal use, 24 to find a fault"
    )
    log: Log | None = optional(Log, DOCUMENTED, "where to log")
    wait_for_server: float = option(
        Seconds(0, 3600), 4.0, DOCUMENTED, "how long to wait at start for the modules it asks"
    )
    wait_for_client: float = option(
        Seconds(0, 3600), 4.0, DOCUMENTED,
        "how long to wait at start for the modules that ask it; taken, and not needed here: they "
        "come when they are ready",
    )  # fmt: skip
    io_timeout: float = option(
        Seconds(1, 86400), 300.0, DOCUMENTED, "longest silence of the other side", "IO_timeout"
    )


TLS_VERSIONS = ("TLSv1.2", "TLSv1.3")


@dataclass(frozen=True, slots=True)
class TlsFiles(Section):
    """Files for STARTTLS, the same for server and client."""

    key_file: str | None = option(
        Maybe(PATH), None, DOCUMENTED,
        "private key, PEM, not encrypted; others must not be able to read it",
    )  # fmt: skip
    cert_file: str | None = option(
        Maybe(PATH), None, DOCUMENTED, "certificate, PEM, the certificates of its issuers behind it"
    )
    cacert_file: str | None = option(
        Maybe(PATH), None, DOCUMENTED,
        "certificates of the authorities to trust; a server sends their names to the client",
        "CAcert_file",
    )  # fmt: skip
    cacert_directory: str | None = option(
        Maybe(PATH), None, DOCUMENTED,
        "directory of more such certificates, each under its hash (openssl rehash)",
        "CAcert_directory",
    )  # fmt: skip
    min_version: str = option(
        Choice(TLS_VERSIONS), "TLSv1.2", OURS, "oldest version of TLS that is spoken"
    )
    ciphers: str | None = option(
        Maybe(Text(), "the choice of the OpenSSL library"), None, OURS,
        "ciphers of TLS 1.2, as OpenSSL writes them",
    )  # fmt: skip

"""Section ``smar``: the address resolver."""

from __future__ import annotations

from dataclasses import dataclass

from meta1.config.compound import Flags, ListOf, Maybe
from meta1.config.kinds import (
    DOMAIN,
    NAME,
    PATH,
    Address,
    Choice,
    Integer,
    IpAddress,
    Seconds,
    Text,
)
from meta1.config.schema import DOCUMENTED, OURS, Section, many, option, optional
from meta1.config.sections.common import Module

LOOKUP_FLAGS = {
    "localpart": "look up the local part alone",
    "local_domains": "only for addresses in local domains",
}
LOOKUP_DEFAULT = frozenset({"localpart", "local_domains"})


@dataclass(frozen=True, slots=True)
class Map(Section):
    """A map under a name that other sections use."""

    type: str = option(
        Choice(("hash", "passwd", "socket", "sequence")), "hash", DOCUMENTED,
        "hash: Berkeley DB file; passwd: users of the system; socket: socket map; sequence: "
        "several maps, the first answer counts",
    )  # fmt: skip
    file: str | None = option(
        Maybe(PATH), None, DOCUMENTED,
        "file of a hash map; a relative name is beside the configuration file",
    )  # fmt: skip
    path: str | None = option(Maybe(PATH), None, DOCUMENTED, "UNIX socket of a socket map")
    mapname: str | None = option(
        Maybe(Text(r"[!-~]{1,64}", "the name of a map, without blanks")), None, DOCUMENTED,
        "name that a socket map is asked for",
    )  # fmt: skip
    maps: tuple[str, ...] = option(
        ListOf(NAME), (), DOCUMENTED, "names of the maps of a sequence"
    )
    address: Address | None = option(
        Maybe(IpAddress()), None, OURS, "address of a socket map over TCP"
    )
    port: int | None = option(
        Maybe(Integer(1, 65535)), None, OURS, "port of a socket map over TCP"
    )
    timeout: float = option(Seconds(1, 600), 10.0, OURS, "longest wait for a socket map")


@dataclass(frozen=True, slots=True)
class Lookup(Section):
    """Which map to use for aliases or for local users, and for which addresses."""

    name: str | None = option(Maybe(NAME), None, DOCUMENTED, "name of the map")
    flags: frozenset[str] = option(
        Flags(LOOKUP_FLAGS, LOOKUP_DEFAULT), LOOKUP_DEFAULT, DOCUMENTED, "which addresses"
    )


@dataclass(frozen=True, slots=True)
class Access(Section):
    """Which map is the access map."""

    name: str | None = option(Maybe(NAME), None, OURS, "name of the map")


@dataclass(frozen=True, slots=True)
class Mailertable(Section):
    """Which map is the mailer table."""

    name: str | None = option(Maybe(NAME), None, OURS, "name of the map")
    flags: frozenset[str] = option(
        Flags(
            {
                "full_address": "look up user@domain",
                "domain": "look up the domain",
                "subdomains": "look up the domains above it, each behind a dot, and the dot alone",
            },
            frozenset({"domain", "subdomains"}),
        ),
        frozenset({"domain", "subdomains"}), OURS, "kinds of lookup",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Smar(Module):
    """The address resolver."""

    nameserver: tuple[Address, ...] = option(
        ListOf(IpAddress(), "those of /etc/resolv.conf"), (), DOCUMENTED, "DNS servers to ask"
    )
    dns_timeout: float = option(
        Seconds(1, 120), 6.0, DOCUMENTED, "longest wait for one answer of DNS", "DNS_timeout"
    )
    nameserver_port: int = option(Integer(1, 65535), 53, OURS, "port of the DNS servers")
    dns_tries: int = option(
        Integer(1, 10), 3, OURS, "questions before DNS counts as not working", "DNS_tries"
    )
    cache_entries: int = option(Integer(0, 10**7), 10000, OURS, "most answers of DNS kept")
    cache_max_ttl: float = option(
        Seconds(0, 7 * 86400), 86400.0, OURS, "longest time an answer is kept"
    )
    cache_negative_ttl: float = option(
        Seconds(0, 86400), 300.0, OURS, "longest time the answer that there is nothing is kept"
    )
    map: tuple[Map, ...] = many(Map, DOCUMENTED, "a map under a name", named=True)
    aliases: Lookup | None = optional(
        Lookup, DOCUMENTED, "aliases; without this section aliases.db is used if there is one"
    )
    local_user_map: Lookup | None = optional(
        Lookup, DOCUMENTED,
        "local users; without this section every local part is left to the LMTP server",
    )  # fmt: skip
    access: Access | None = optional(
        Access, OURS, "access map; without this section access.db is used if there is one"
    )
    mailertable: Mailertable | None = optional(
        Mailertable, OURS, "mailer table; without this section mailertable.db if there is one"
    )
    local_domains: tuple[str, ...] = option(
        ListOf(DOMAIN, "only the host name"), (), OURS,
        "domains whose mail goes to the LMTP server; the host name is always one of them",
    )  # fmt: skip
    user_delimiter: str | None = option(
        Maybe(Text(r"[!#$%&'*+/=?^_`{|}~-]", "one character"), "no part is cut off"), "+", OURS,
        "the local part is looked up without what follows this character, too",
    )  # fmt: skip
    max_alias_depth: int = option(
        Integer(1, 100), 10, OURS, "aliases of aliases before it counts as a loop"
    )
    max_alias_recipients: int = option(
        Integer(1, 100000), 1000, OURS, "addresses that one alias may become"
    )

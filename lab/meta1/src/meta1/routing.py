"""Routes: what becomes of an address, and where mail for it goes.

The order: a local domain (the host name, `local_domains`, or a mailer table entry `lmtp:`) has
aliases, then users, then LMTP; any other goes by the mailer table, then by MX.  Lookups come in
as maps and `Exchangers`; nothing here knows what kind they are of.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from meta1 import aliases
from meta1.access_keys import domain_keys
from meta1.aliases import BadAlias, Member
from meta1.maps.base import Map, MapFailure, MapRefusal, Status
from meta1.messages import Host, NextHop, RouteResolved, Target, Transport
from meta1.mx import Exchangers, NoRoute
from meta1.queue.envelope import Outcome

MAILERS: Final = frozenset({"lmtp", "local", "smtp", "esmtp", "error"})
_PLACE: Final = re.compile(
    r"(\[[A-Za-z0-9:._-]{1,253}\]|[A-Za-z0-9._-]{1,253})(?::([0-9]{1,5}))?\Z"
)
_ERROR: Final = re.compile(r"([45][0-9]{2})\s+([45](?:\.[0-9]{1,3}){2})\s+(.*)\Z", re.DOTALL)
# sockaddr_un has room for 107 bytes of a path.
_SOCKET: Final = re.compile(r"[ -~]{0,107}\Z")
_MAX_PORT: Final = 65535


@dataclass(frozen=True, slots=True)
class Lookup:
    """A map and the way it is asked."""

    map: Map
    flags: frozenset[str]


@dataclass(frozen=True, slots=True)
class Rules:
    """What the configuration says about routes."""

    hostname: str
    local_domains: frozenset[str]
    lmtp_socket: str
    port: int
    user_delimiter: str
    limits: aliases.Limits
    aliases: Lookup
    users: Lookup | None
    mailertable: Lookup


class Routing:
    """Answers for one configuration."""

    def __init__(self, rules: Rules, exchangers: Exchangers) -> None:
        """Use these rules."""
        self._rules = rules
        self._exchangers = exchangers

    # ---- questions -------------------------------------------------------------------------

    async def resolve(self, request_id: int, mailbox: str, expand: bool = True) -> RouteResolved:
        """Say where mail for an address goes; failures are answers, too."""
        try:
            targets = await self._targets(self.complete(mailbox), expand)
        except MapFailure as error:
            return _failed(request_id, Outcome.RETRY, 451, "4.3.0", str(error))
        except MapRefusal as error:
            return _failed(request_id, Outcome.FAILED, 550, "5.7.1", str(error))
        except BadAlias as error:
            return _failed(request_id, Outcome.RETRY, 451, "4.3.5", f"bad alias: {error}")
        except NoRoute as no:
            outcome = Outcome.RETRY if no.code < 500 else Outcome.FAILED
            return _failed(request_id, outcome, no.code, no.enhanced_code, no.text)
        return RouteResolved(request_id, Outcome.DELIVERED, targets)

    def complete(self, mailbox: str) -> str:
        """Give `postmaster`, the only address without a domain, ours (RFC 5321 4.5.1)."""
        return mailbox if "@" in mailbox else f"{mailbox}@{self._rules.hostname}"

    async def is_local(self, domain: str) -> bool:
        """Tell whether mail for a domain is delivered here."""
        plain = domain.lower().rstrip(".")
        if plain in self._rules.local_domains or plain == self._rules.hostname:
            return True
        entry = await self._mailer_entry("", plain)
        return entry is not None and entry.lower().startswith(("lmtp:", "local:"))

    async def user_exists(self, mailbox: str) -> bool:
        """Tell whether a local address is an alias or a user."""
        return await self._alias(mailbox) is not None or await self._is_user(mailbox)

    # ---- local addresses -------------------------------------------------------------------

    async def _targets(self, mailbox: str, expand: bool) -> tuple[Target, ...]:
        """Follow aliases, then find the way of each address."""
        members: tuple[Member, ...] = (Member(mailbox),)
        if expand and await self.is_local(mailbox.rpartition("@")[2]):
            members = await aliases.expand(
                mailbox, self._alias, self._has_aliases, self._rules.limits
            )
        return tuple(
            [Target(one.mailbox, await self._hop(one.mailbox), one.owner) for one in members]
        )

    def _has_aliases(self, mailbox: str) -> bool:
        """Tell whether aliases are looked up for an address at all."""
        if "local_domains" not in self._rules.aliases.flags:
            return True
        domain = mailbox.rpartition("@")[2].lower()
        return domain in self._rules.local_domains or domain == self._rules.hostname

    async def _alias(self, mailbox: str) -> str | None:
        """The value of the alias for an address."""
        if not self._has_aliases(mailbox):
            return None
        return await self._find(self._rules.aliases, mailbox)

    async def _is_user(self, mailbox: str) -> bool:
        """Tell whether a local user exists; without a map the LMTP server decides."""
        is_postmaster = mailbox.partition("@")[0].lower() == "postmaster"
        if self._rules.users is None or is_postmaster:
            return True
        return await self._find(self._rules.users, mailbox) is not None

    async def _find(self, lookup: Lookup, mailbox: str) -> str | None:
        """Look up the whole address, the local part, and both without what follows the `+`."""
        for key in self._keys(mailbox, "localpart" in lookup.flags):
            answer = await lookup.map.lookup(key)
            if answer.is_found:
                return answer.value
            if answer.status is Status.NO_MORE:
                return None
        return None

    def _keys(self, mailbox: str, with_local_part: bool) -> list[str]:
        """The keys for an address, the most exact one first."""
        local, _, domain = mailbox.rpartition("@")
        keys = [f"{local}@{domain}"] + [local] * with_local_part
        delimiter = self._rules.user_delimiter
        user = local.partition(delimiter)[0] if delimiter else local
        if user and user != local:
            keys += [f"{user}@{domain}"] + [user] * with_local_part
        return keys

    # ---- next hops -------------------------------------------------------------------------

    async def _hop(self, mailbox: str) -> NextHop:
        """The next hop for an address that is no alias."""
        local, _, raw = mailbox.rpartition("@")
        domain = raw.lower().rstrip(".")
        if domain in self._rules.local_domains or domain == self._rules.hostname:
            return await self._local_hop(mailbox, "")
        entry = await self._mailer_entry(local, domain)
        if entry is not None:
            return await self._mailer_hop(mailbox, entry)
        return NextHop(Transport.SMTP, domain, await self._exchangers.hosts_of(domain))

    async def _local_hop(self, mailbox: str, path: str) -> NextHop:
        """LMTP, if the user exists."""
        if not await self._is_user(mailbox):
            raise NoRoute(550, "5.1.1", "no such user here")
        socket = path or self._rules.lmtp_socket
        if not socket:
            raise NoRoute(451, "4.3.5", "no LMTP_socket is configured")
        return NextHop(Transport.LMTP, f"lmtp:{socket}", (Host("lmtp", socket, 0),))

    async def _mailer_entry(self, local: str, domain: str) -> str | None:
        """The value of the mailer table: address, domain, `.domain` for those above, `.`."""
        flags, table = self._rules.mailertable.flags, self._rules.mailertable.map
        keys = [f"{local}@{domain}"] if "full_address" in flags and local else []
        keys += [domain] if "domain" in flags else []
        above = [*domain_keys(domain)[1:], ""]
        keys += [f".{one}" for one in above] if "subdomains" in flags else []
        for key in keys:
            answer = await table.lookup(key)
            if answer.is_found:
                return answer.value.strip()
            if answer.status is Status.NO_MORE:
                return None
        return None

    async def _mailer_hop(self, mailbox: str, entry: str) -> NextHop:
        """Read `lmtp:[path]`, `[smtp:]host[:port]`, `[host]` (no MX), `error:550 5.1.2 text`."""
        kind, rest = _mailer(entry)
        if kind in ("lmtp", "local"):
            if _SOCKET.match(rest) is None:
                raise NoRoute(451, "4.3.5", f"mailer table has {entry[:60]!r}")
            return await self._local_hop(mailbox, rest)
        if kind == "error":
            raise _error(rest)
        place = _PLACE.match(rest)
        port = int(place[2] or self._rules.port) if place is not None else 0
        if place is None or not 0 < port <= _MAX_PORT:
            raise NoRoute(451, "4.3.5", f"mailer table has {entry[:60]!r}")
        name = place[1].lower()
        if name.startswith("["):
            inner = name[1:-1]
            literal = inner.startswith("ipv6:") or inner.replace(".", "").isdigit() or ":" in inner
            hosts = await self._exchangers.addresses_of(name if literal else inner, port)
        else:
            hosts = await self._exchangers.hosts_of(name)
            hosts = tuple(Host(one.name, one.address, port) for one in hosts)
        return NextHop(Transport.SMTP, f"{name}:{port}" if place[2] else name, hosts)


def _mailer(entry: str) -> tuple[str, str]:
    """Divide an entry into the way of delivery and what follows."""
    word, colon, rest = entry.partition(":")
    if colon and word.lower() in MAILERS:
        return word.lower(), rest.strip()
    return "smtp", entry.strip()


def _error(rest: str) -> NoRoute:
    """Read `550 5.1.2 text`."""
    found = _ERROR.match(rest)
    if found is None:
        return NoRoute(550, "5.1.2", _plain(rest) or "mail is not taken")
    return NoRoute(int(found[1]), found[2], _plain(found[3]))


def _failed(
    request_id: int, outcome: Outcome, code: int, enhanced_code: str, text: str
) -> RouteResolved:
    """Write a failure."""
    return RouteResolved(request_id, outcome, (), code, enhanced_code, _plain(text))


def _plain(text: str) -> str:
    """Text as one harmless line."""
    return "".join(char if " " <= char <= "~" else "?" for char in text)[:300]

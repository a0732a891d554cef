"""From the configuration to the maps, rules and resolver that smar works with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from meta1.aliases import Limits
from meta1.config import Config, Smar
from meta1.dns import Dns, DnsSettings
from meta1.maps.base import Map
from meta1.maps.registry import Registry
from meta1.mx import Exchangers
from meta1.routing import Lookup, Routing, Rules

ALIASES: Final = "aliases.db"
ACCESS: Final = "access.db"
MAILERTABLE: Final = "mailertable.db"
"""Files beside meta1.conf that are used without being declared, if they are there."""


@dataclass(frozen=True, slots=True)
class Resources:
    """All that answers are found with."""

    registry: Registry
    dns: Dns
    access: Map
    routing: Routing

    def close(self) -> None:
        """Close the maps."""
        self.registry.close()


def build(config: Config, section: Smar, hostname: str) -> Resources:
    """Make them all for one configuration."""
    registry = Registry(section, config.directory)
    dns = Dns(_dns_settings(section))
    own = hostname.lower()
    exchangers = Exchangers(
        dns, frozenset({own}), ipv6="ipv6" in config.smtpc.flags, port=config.smtpc.port
    )
    access = registry.find(section.access.name if section.access else None, ACCESS)
    routing = Routing(_rules(config, section, registry, own), exchangers)
    return Resources(registry, dns, access, routing)


def _dns_settings(section: Smar) -> DnsSettings:
    """The figures for DNS."""
    return DnsSettings(
        nameservers=tuple(str(one) for one in section.nameserver),
        port=section.nameserver_port,
        timeout=section.dns_timeout,
        tries=section.dns_tries,
        cache_entries=section.cache_entries,
        max_ttl=section.cache_max_ttl,
        negative_ttl=section.cache_negative_ttl,
    )


def _rules(config: Config, section: Smar, registry: Registry, hostname: str) -> Rules:
    """The rules for routes."""
    names, users, table = section.aliases, section.local_user_map, section.mailertable
    found = registry.find(names.name if names else None, ALIASES)
    hops = registry.find(table.name if table else None, MAILERTABLE)
    people = None
    if users is not None and users.name is not None:
        people = Lookup(registry.find(users.name, ""), users.flags)
    return Rules(
        hostname=hostname,
        local_domains=frozenset(one.lower() for one in section.local_domains),
        lmtp_socket=config.smtpc.lmtp_socket or "",
        port=config.smtpc.port,
        user_delimiter=section.user_delimiter or "",
        limits=Limits(section.max_alias_depth, section.max_alias_recipients),
        aliases=Lookup(found, names.flags if names else DEFAULT_LOOKUP),
        users=people,
        mailertable=Lookup(hops, table.flags if table else DEFAULT_TABLE),
    )


DEFAULT_LOOKUP: Final = frozenset({"localpart", "local_domains"})
DEFAULT_TABLE: Final = frozenset({"domain", "subdomains"})

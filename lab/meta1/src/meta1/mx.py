"""From a domain to hosts to connect to, and from an address to the name behind it.

RFC 5321 5: MX records in order of preference, or the domain itself; RFC 7505: the null MX.
"""

from __future__ import annotations

import asyncio
import ipaddress
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from meta1.dns import Answer, DnsFailure
from meta1.messages import Host

MAX_EXCHANGERS: Final = 20
MAX_ADDRESSES: Final = 6


class Asks(Protocol):
    """Who knows DNS."""

    async def ask(self, name: str, kind: str) -> Answer:
        """Find records; raises DnsFailure."""

    async def reverse(self, address: str) -> Answer:
        """Find the names of an address; raises DnsFailure."""


class NoRoute(Exception):
    """There is no way, now or ever; the reply says so."""

    def __init__(self, code: int, enhanced_code: str, text: str) -> None:
        """Hold the reply to give."""
        super().__init__(code, enhanced_code, text)
        self.code = code
        self.enhanced_code = enhanced_code
        self.text = text


@dataclass(frozen=True, slots=True)
class Exchanger:
    """One MX record."""

    preference: int
    name: str


Shuffle = Callable[[list[Exchanger]], None]


class Exchangers:
    """Finds hosts; knows our own name, so that mail does not come back to us."""

    def __init__(
        self, dns: Asks, own_names: frozenset[str], *, ipv6: bool = True, port: int = 25,
        shuffle: Shuffle = random.shuffle,
    ) -> None:  # fmt: skip
        """Prepare; `shuffle` orders hosts of the same preference (RFC 5321 5.1)."""
        self._dns = dns
        self._own = own_names
        self._ipv6 = ipv6
        self._port = port
        self._shuffle = shuffle

    async def hosts_of(self, domain: str) -> tuple[Host, ...]:
        """The hosts that take mail for a domain, best first; NoRoute if there is none."""
        literal = _literal(domain, self._port)
        if literal is not None:
            return (literal,)
        try:
            return await self._hosts(await self._exchangers(domain), domain)
        except DnsFailure as error:
            raise NoRoute(451, "4.4.3", f"name service failure: {error}") from error

    async def addresses_of(self, name: str, port: int | None = None) -> tuple[Host, ...]:
        """The addresses of one host, without MX; NoRoute if it has none."""
        literal = _literal(name, port or self._port)
        if literal is not None:
            return (literal,)
        try:
            found = await self._addresses(name, port or self._port)
        except DnsFailure as error:
            raise NoRoute(451, "4.4.3", f"name service failure: {error}") from error
        if not found:
            raise NoRoute(550, "5.1.2", f"{name} has no address")
        return tuple(found)

    async def _exchangers(self, domain: str) -> list[Exchanger]:
        """The MX records, or the domain as its own."""
        answer = await self._dns.ask(domain, "MX")
        if not answer.name_exists:
            raise NoRoute(550, "5.1.2", f"domain {domain} does not exist")
        if not answer.records:
            return [Exchanger(0, domain)]
        found = [one for one in map(_exchanger, answer.records) if one is not None]
        if [one.name for one in found] == [""]:
            # RFC 7505 3: a single "0 ." says that the domain takes no mail.
            raise NoRoute(556, "5.1.10", f"domain {domain} takes no mail")
        self._shuffle(found)
        found.sort(key=lambda one: one.preference)
        return [one for one in self._before_us(found, domain) if one.name][:MAX_EXCHANGERS]

    def _before_us(self, found: list[Exchanger], domain: str) -> list[Exchanger]:
        """RFC 5321 5.1: drop ourselves and all that are no better than we are."""
        ours = [one.preference for one in found if one.name in self._own]
        if not ours:
            return found
        better = [one for one in found if one.preference < min(ours)]
        if not better:
            raise NoRoute(554, "5.4.6", f"mail for {domain} loops back to us")
        return better

    async def _hosts(self, exchangers: list[Exchanger], domain: str) -> tuple[Host, ...]:
        """The addresses of all, in order; a failure counts only if nothing else is left."""
        lookups = [self._addresses(one.name, self._port) for one in exchangers]
        found = await asyncio.gather(*lookups, return_exceptions=True)
        hosts: list[Host] = []
        failure: DnsFailure | None = None
        for one in found:
            if isinstance(one, list):
                hosts += one
            elif isinstance(one, DnsFailure):
                failure = one
            else:
                raise one
        if hosts:
            return tuple(hosts)
        if failure is not None:
            raise failure
        raise NoRoute(550, "5.1.2", f"no host that takes mail for {domain} has an address")

    async def _addresses(self, name: str, port: int) -> list[Host]:
        """The addresses of one host; DNS follows CNAME by itself."""
        kinds = ("AAAA", "A") if self._ipv6 else ("A",)
        found = await asyncio.gather(
            *[self._dns.ask(name, kind) for kind in kinds], return_exceptions=True
        )
        records = [one for answer in found if isinstance(answer, Answer) for one in answer.records]
        if not records:
            for one in found:
                if isinstance(one, BaseException):
                    raise one
        return [Host(name, address, port) for address in records if _is_address(address)][
            :MAX_ADDRESSES
        ]


async def name_of(dns: Asks, address: str) -> tuple[str, str]:
    """The name of a client that leads back to its address, and OK, FAIL, TEMP or FORGED."""
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    if parsed.is_loopback:
        return "localhost", "OK"
    try:
        names = (await dns.reverse(str(parsed))).records[:MAX_ADDRESSES]
    except DnsFailure:
        return "", "TEMP"
    kind = "A" if parsed.version == 4 else "AAAA"
    results = [await _leads_back(dns, name.rstrip("."), kind, str(parsed)) for name in names]
    for name, result in zip(names, results, strict=True):
        if result == "OK":
            return name.rstrip(".").lower(), "OK"
    if not names:
        return "", "FAIL"
    return "", "TEMP" if "TEMP" in results else "FORGED"


async def _leads_back(dns: Asks, name: str, kind: str, address: str) -> str:
    """Tell whether a name has the address."""
    if not _is_host_name(name):
        return "FORGED"
    try:
        answer = await dns.ask(name, kind)
    except DnsFailure:
        return "TEMP"
    wanted = ipaddress.ip_address(address)
    found = [one for one in answer.records if _is_address(one)]
    return "OK" if wanted in [ipaddress.ip_address(one) for one in found] else "FORGED"


def _exchanger(record: str) -> Exchanger | None:
    """Read `10 mx.example.`; a name with odd characters is no host."""
    preference, _, name = record.partition(" ")
    plain = name.rstrip(".").lower()
    if not preference.isdigit() or (plain and not _is_host_name(plain)):
        return None
    return Exchanger(int(preference), plain)


def _is_host_name(name: str) -> bool:
    """Tell whether a name may stand in a log and in a reply as it is."""
    labels = name.split(".")
    return len(name) <= 253 and all(
        0 < len(one) <= 63 and one.replace("-", "").replace("_", "").isalnum() and one.isascii()
        for one in labels
    )


def _is_address(text: str) -> bool:
    """Tell whether a record is an address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _literal(domain: str, port: int) -> Host | None:
    """Read `[192.0.2.1]` or `[IPv6:2001:db8::1]` (RFC 5321 4.1.3)."""
    if not (domain.startswith("[") and domain.endswith("]")):
        return None
    text = domain[1:-1]
    if text.lower().startswith("ipv6:"):
        text = text[5:]
    if not _is_address(text):
        raise NoRoute(550, "5.1.2", f"{domain} is no address")
    return Host(domain, text, port)

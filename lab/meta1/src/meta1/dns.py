"""Questions to DNS, with a cache: what dnspython finds, kept as long as its TTL allows.

Three things can come of a question: records, the certainty that there are none (the name does
not exist, or has nothing of that type), or `DnsFailure`, which says nothing about the name.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import dns.asyncresolver
import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.resolver
import dns.reversename

MAX_RECORDS: Final = 100
"""Nobody needs more; an answer of thousands is cut."""
SLACK: Final = 1.0
"""Seconds that dnspython may take longer than it was told to."""
MAX_WAITING: Final = 500
"""Questions under way at a time; the others wait for their turn."""


class DnsFailure(Exception):
    """No name server gave a useful answer in time."""


@dataclass(frozen=True, slots=True)
class DnsSettings:
    """The figures of the smar section of meta1.conf."""

    nameservers: tuple[str, ...] = ()
    port: int = 53
    timeout: float = 6.0
    tries: int = 3
    cache_entries: int = 10_000
    max_ttl: float = 86_400.0
    negative_ttl: float = 300.0


@dataclass(frozen=True, slots=True)
class Answer:
    """The records found, as text in the presentation form; none is a certain answer, too."""

    records: tuple[str, ...] = ()
    name_exists: bool = True


class Cache:
    """Answers with the time they are good for; the one longest unused goes first.  Pure."""

    def __init__(self, entries: int) -> None:
        """Keep so many answers at most."""
        self._entries = entries
        self._kept: OrderedDict[tuple[str, str], tuple[float, Answer]] = OrderedDict()

    def find(self, key: tuple[str, str], now: float) -> Answer | None:
        """The answer, if it is still good."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        if kept[0] <= now:
            del self._kept[key]
            return None
        self._kept.move_to_end(key)
        return kept[1]

    def keep(self, key: tuple[str, str], answer: Answer, until: float) -> None:
        """Keep an answer."""
        self._kept[key] = (until, answer)
        self._kept.move_to_end(key)
        while len(self._kept) > self._entries:
            self._kept.popitem(last=False)

    def __len__(self) -> int:
        """Count the answers kept."""
        return len(self._kept)


class Dns:
    """Asks each question once at a time, whoever wants to know."""

    def __init__(self, settings: DnsSettings, now: Callable[[], float] = time.monotonic) -> None:
        """Prepare; without name servers those of the system are used."""
        self.settings = settings
        self._now = now
        self._cache = Cache(settings.cache_entries)
        self._under_way: dict[tuple[str, str], asyncio.Task[Answer]] = {}
        self._turns = asyncio.Semaphore(MAX_WAITING)
        self._resolver = _resolver(settings)

    async def ask(self, name: str, kind: str) -> Answer:
        """Find records of a kind (`MX`, `A`, `AAAA`, `PTR`); DnsFailure if that cannot be done."""
        key = (name.lower().rstrip("."), kind)
        known = self._cache.find(key, self._now())
        if known is not None:
            return known
        task = self._under_way.get(key)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._ask(key))
            self._under_way[key] = task
            task.add_done_callback(partial(self._forget, key))
        return await asyncio.shield(task)

    def _forget(self, key: tuple[str, str], task: asyncio.Task[Answer]) -> None:
        """A question is over; its failure counts as seen even if nobody waits any more."""
        self._under_way.pop(key, None)
        if not task.cancelled():
            task.exception()

    async def reverse(self, address: str) -> Answer:
        """Find the names of an address."""
        return await self.ask(dns.reversename.from_address(address).to_text(), "PTR")

    async def _ask(self, key: tuple[str, str]) -> Answer:
        """Ask the name servers and keep what they say."""
        async with self._turns:
            answer, ttl = await self._question(*key)
        limit = self.settings.max_ttl if answer.records else self.settings.negative_ttl
        self._cache.keep(key, answer, self._now() + min(ttl, limit))
        return answer

    async def _question(self, name: str, kind: str) -> tuple[Answer, float]:
        """One question with all its tries."""
        try:
            # dnspython 2.3 waits for ever if its own time was over before it began to wait.
            async with asyncio.timeout(self._resolver.lifetime + SLACK):
                found = await self._resolver.resolve(
                    dns.name.from_text(name), kind, search=False, raise_on_no_answer=False
                )
        except dns.resolver.NXDOMAIN as error:
            return Answer((), name_exists=False), _negative_ttl(error)
        except (dns.exception.DNSException, OSError, UnicodeError, ValueError) as error:
            if isinstance(
                error, dns.name.LabelTooLong | dns.name.NameTooLong | dns.name.EmptyLabel
            ):
                return Answer((), name_exists=False), self.settings.negative_ttl
            raise DnsFailure(f"{kind} {name}: {type(error).__name__}") from error
        if found.rrset is None:
            return Answer(()), _authority_ttl(found.response)
        records = tuple(one.to_text() for one in list(found.rrset)[:MAX_RECORDS])
        return Answer(records), float(found.rrset.ttl)


def _resolver(settings: DnsSettings) -> Any:
    """Set dnspython up: no search list, no cache of its own."""
    resolver = dns.asyncresolver.Resolver(configure=not settings.nameservers)
    if settings.nameservers:
        resolver.nameservers = list(settings.nameservers)
        resolver.port = settings.port
    resolver.timeout = settings.timeout
    resolver.lifetime = settings.timeout * settings.tries
    return resolver


def _negative_ttl(error: dns.resolver.NXDOMAIN) -> float:
    """How long it is certain that a name does not exist."""
    responses = error.responses().values()
    return min((_authority_ttl(one) for one in responses), default=0.0)


def _authority_ttl(response: Any) -> float:
    """RFC 2308 5: the smaller of the TTL of the SOA record and its minimum; without one 0."""
    for rrset in response.authority:
        if rrset.rdtype == dns.rdatatype.SOA:
            return float(min(rrset.ttl, rrset[0].minimum))
    return 0.0

"""DNS: real packets to a small server on loopback; order, caches, failures, odd answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
from dns_server import Zone, start

from meta1.dns import Answer, Cache, Dns, DnsFailure, DnsSettings
from meta1.messages import Host
from meta1.mx import Exchangers, NoRoute, name_of

T = TypeVar("T")


def ask(zone: Zone, question: Callable[[Dns], Awaitable[T]], **settings: float) -> T:
    """Start a server with this zone and put one question."""

    async def talk() -> T:
        server, port = await start(zone)
        values = {"timeout": 0.3, "tries": 1, **settings}
        dns = Dns(DnsSettings(("127.0.0.1",), port, **values))  # type: ignore[arg-type]
        try:
            return await question(dns)
        finally:
            server.close()

    return asyncio.run(talk())


def hosts(zone: Zone, domain: str, **options: object) -> tuple[Host, ...]:
    """Find the hosts of a domain."""

    def question(dns: Dns) -> Awaitable[tuple[Host, ...]]:
        own = frozenset({"mail.own.test"})
        exchangers = Exchangers(dns, own, shuffle=lambda found: None, **options)  # type: ignore
        return exchangers.hosts_of(domain)

    return ask(zone, question)


def zone() -> Zone:
    """A few domains."""
    found = Zone()
    found.add("one.test", "MX", "20 b.test.", "10 a.test.", "15 c.test.")
    found.add("a.test", "A", "192.0.2.1").add("b.test", "A", "192.0.2.2")
    found.add("c.test", "AAAA", "2001:db8::1").add("plain.test", "A", "192.0.2.9")
    found.add("null.test", "MX", "0 .").add("nothing.test", "TXT", "x")
    found.add("alias.test", "CNAME", "one.test.").add("cmx.test", "MX", "1 c-alias.test.")
    found.add("c-alias.test", "CNAME", "a.test.")
    found.add("backup.test", "MX", "10 a.test.", "20 mail.own.test.", "30 b.test.")
    found.add("loop.test", "MX", "5 mail.own.test.", "10 a.test.")
    found.add("half.test", "MX", "1 broken.test.", "2 a.test.").add(
        "bad.test", "MX", "1 broken.test."
    )
    found.add("noaddr.test", "MX", "1 nothing.test.")
    found.broken |= {"broken.test"}
    found.silent |= {"silent.test"}
    return found


@pytest.mark.parametrize(
    ("domain", "addresses"),
    [
        ("one.test", ["192.0.2.1", "2001:db8::1", "192.0.2.2"]),
        ("ONE.test", ["192.0.2.1", "2001:db8::1", "192.0.2.2"]),
        ("plain.test", ["192.0.2.9"]),
        ("alias.test", ["192.0.2.1", "2001:db8::1", "192.0.2.2"]),
        ("cmx.test", ["192.0.2.1"]),
        ("backup.test", ["192.0.2.1"]),
        ("half.test", ["192.0.2.1"]),
        ("[192.0.2.77]", ["192.0.2.77"]),
        ("[IPv6:2001:db8::7]", ["2001:db8::7"]),
    ],
)
def test_hosts_in_order(domain: str, addresses: list[str]) -> None:
    """MX by preference, the domain itself without MX, CNAME followed, ourselves left out."""
    assert [host.address for host in hosts(zone(), domain)] == addresses


def test_without_ipv6() -> None:
    """Only IPv4 addresses where IPv6 is off."""
    assert "2001:db8::1" not in [host.address for host in hosts(zone(), "one.test", ipv6=False)]


@pytest.mark.parametrize(
    ("domain", "code", "enhanced"),
    [
        ("null.test", 556, "5.1.10"),
        ("nowhere.test", 550, "5.1.2"),
        ("nothing.test", 550, "5.1.2"),
        ("noaddr.test", 550, "5.1.2"),
        ("loop.test", 554, "5.4.6"),
        ("broken.test", 451, "4.4.3"),
        ("bad.test", 451, "4.4.3"),
        ("silent.test", 451, "4.4.3"),
        ("x" * 64 + ".test", 550, "5.1.2"),
        ("a..test", 550, "5.1.2"),
        ("[300.1.1.1]", 550, "5.1.2"),
        ("[x]", 550, "5.1.2"),
    ],
)
def test_no_way(domain: str, code: int, enhanced: str) -> None:
    """Certain failures are final, doubtful ones are not."""
    with pytest.raises(NoRoute) as caught:
        hosts(zone(), domain)
    assert (caught.value.code, caught.value.enhanced_code) == (code, enhanced)


def test_answers_are_kept_and_questions_shared() -> None:
    """Ten at once are one question; a later one none; certain nothing is kept, failure is not."""
    table = zone()

    async def question(dns: Dns) -> None:
        await asyncio.gather(*[dns.ask("one.test", "MX") for _ in range(10)])
        await dns.ask("ONE.test.", "MX")
        await dns.ask("nowhere.test", "MX")
        await dns.ask("nowhere.test", "MX")
        for _ in range(2):
            with pytest.raises(DnsFailure):
                await dns.ask("broken.test", "MX")

    ask(table, question)
    count = {name: table.asked.count((name, "MX")) for name in ("one.test", "nowhere.test")}
    assert count == {"one.test": 1, "nowhere.test": 1}
    assert table.asked.count(("broken.test", "MX")) >= 2


def test_cache_is_bounded_and_forgets_in_time() -> None:
    """The one longest unused goes first; time ends every answer."""
    cache = Cache(2)
    for name in ("a", "b"):
        cache.keep((name, "A"), Answer((name,)), 10.0)
    assert cache.find(("a", "A"), 9.0) == Answer(("a",))
    cache.keep(("c", "A"), Answer(), 10.0)
    assert cache.find(("b", "A"), 9.0) is None and len(cache) == 2
    assert cache.find(("a", "A"), 10.0) is None and len(cache) == 1


@pytest.mark.parametrize(
    ("address", "name", "result"),
    [
        ("192.0.2.1", "a.test", "OK"),
        ("::ffff:192.0.2.1", "a.test", "OK"),
        ("192.0.2.2", "", "FORGED"),
        ("192.0.2.50", "", "FAIL"),
        ("192.0.2.60", "", "TEMP"),
        ("192.0.2.70", "", "FORGED"),
        ("2001:db8::1", "c.test", "OK"),
        ("127.0.0.1", "localhost", "OK"),
    ],
)
def test_client_names(address: str, name: str, result: str) -> None:
    """A name counts only if it leads back; odd names are nobody's."""
    table = zone()
    table.add("1.2.0.192.in-addr.arpa", "PTR", "a.test.")
    table.add("2.2.0.192.in-addr.arpa", "PTR", "a.test.")
    table.add("70.2.0.192.in-addr.arpa", "PTR", r"x\032y.test.")
    table.broken.add("60.2.0.192.in-addr.arpa")
    nibbles = ".".join(reversed("20010db8" + "0" * 23 + "1"))
    table.add(f"{nibbles}.ip6.arpa", "PTR", "c.test.")
    assert ask(table, lambda dns: name_of(dns, address)) == (name, result)

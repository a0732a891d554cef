"""DNS: a server that sends any packet, and a resolver that must not believe it."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from fuzz.source import Seeded, Source
from fuzz.target import Run, must
from meta1.codec import decode_payload, encode_frame
from meta1.dns import MAX_RECORDS, Answer, Dns, DnsFailure, DnsSettings
from meta1.messages import NextHop, RouteResolved, Target, Transport
from meta1.mx import MAX_ADDRESSES, MAX_EXCHANGERS, Exchangers, NoRoute, name_of
from meta1.queue.envelope import Outcome

TRUE = "192.0.2.99"
"""What only a forged packet says; nothing may ever lead there."""
STRANGER = "203.0.113.77"
"""A client address that no answer has."""
QUESTIONS = 10
"""Chains of questions in one input."""
DOMAINS = (
    "d#.test",
    "d#.test",
    "d#.test",
    "a..b",
    "x" * 64 + ".test",
    "[192.0.2.1]",
    "\u00fc#.test",
    "c1.test",
)
_HOST = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*|\[.*\]")
RECORDS = {
    "MX": ("10 mx.x.test.", "0 .", "10 .", "65535 a_b.test.", '5 a\\032b.test.', "1 \\000.test.",
    "0 mail.lab.example.",
           "10 " + "a" * 63 + ".test.", "7 xn--a.test.", "3 127.0.0.1.", "0 \\013\\010x.test."),
    "A": ("192.0.2.1", "127.0.0.1", "0.0.0.0", "255.255.255.255", "192.0.2.2"),
    "AAAA": ("2001:db8::1", "::1", "::", "::ffff:192.0.2.1", "fe80::1"),
    "PTR": ("c.test.", ".", "a\\013\\010b.test.", "\\195\\188.test.", "x_y.test.", "192.0.2.1."),
    "CNAME": ("x.test.", "c1.test.", "."),
    "SOA": ("ns.test. root.test. 1 3600 600 86400 120", ". . 0 0 0 0 4294967295"),
    "TXT": ('"x"', '"' + "y" * 250 + '"'),
}  # fmt: skip


class Table:
    """Answers of DNS without a network."""

    async def ask(self, name: str, kind: str) -> Answer:
        """The same for every name."""
        return Answer({"MX": ("10 mx.x.test.",), "A": ("192.0.2.1",)}.get(kind, ()))

    async def reverse(self, address: str) -> Answer:
        """No name."""
        return Answer()


def answer_to(query: dns.message.Message, source: Source) -> bytes:
    """A packet: an answer, an answer with odd records, or an answer that was bent."""
    kind = dns.rdatatype.to_text(query.question[0].rdtype)
    name = query.question[0].name.to_text()
    reply = dns.message.make_response(query)
    reply.flags |= dns.flags.RA
    if source.chance(6):
        reply.set_rcode(
            source.choose(
                (dns.rcode.NXDOMAIN, dns.rcode.SERVFAIL, dns.rcode.REFUSED, dns.rcode.YXDOMAIN)
            )
        )
    if source.chance(20):
        reply.flags ^= source.choose((dns.flags.TC, dns.flags.QR, dns.flags.AA, dns.flags.RA))
    for section in (reply.answer, reply.answer, reply.authority, reply.additional)[
        : 1 + source.below(4)
    ]:
        other = source.choose((kind, kind, kind, "CNAME", "SOA", source.choose(tuple(RECORDS))))
        owner = source.choose((name, name, name, "x.test.", "other.test.", "c1.test."))
        values = source.shuffled(RECORDS[other])[: 1 + source.below(4)]
        if source.chance(30) and other == "A":
            values = [f"10.0.{number // 200}.{number % 200}" for number in range(400)]
        ttl = source.choose((0, 1, 60, 2**31 - 1))
        section.append(dns.rrset.from_text(owner, ttl, "IN", other, *values))
    wire = reply.to_wire(max_size=65535)
    if source.chance(2):
        head = wire[:2] if source.chance(2) else b""
        wire = head + source.damaged(
            wire[len(head) :], (b"\xc0\x0c", b"\xc0\xff", b"\xff\xff", b"\0", b"\x3f", b"\x40")
        )
    return wire


def forged(query: dns.message.Message, source: Source) -> bytes:
    """What somebody sends who sees no question: another id, or another name."""
    reply = dns.message.make_response(query)
    reply.flags |= dns.flags.RA
    name = query.question[0].name.to_text()
    reply.answer.append(dns.rrset.from_text(name, 60, "IN", "A", TRUE))
    wire = reply.to_wire()
    if source.chance(2):
        (number,) = struct.unpack_from("!H", wire)
        return struct.pack("!H", (number + 1 + source.below(65535)) % 65536) + wire[2:]
    return wire[:13] + bytes([wire[13] ^ 1]) + wire[14:]


class _Liar(asyncio.DatagramProtocol):
    """Answers each question with what the run makes up."""

    def __init__(self) -> None:
        """Wait for the first run."""
        self.salt = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self.transport = transport

    def packets(self, data: bytes) -> list[bytes]:
        """What to send back for a question."""
        query = dns.message.from_wire(data)
        # By what is asked, not by when: many questions are under way at a time.
        source = Source(Seeded(self.salt, zlib.crc32(data[2:])))
        if source.chance(60):
            return []
        if source.chance(12):
            return [source.noise(source.choose((0, 1, 11, 12, 60)))]
        return [forged(query, source)] * source.chance(8) + [answer_to(query, source)]

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        """Over UDP."""
        for packet in self.packets(data):
            self.transport.sendto(packet[:4096], address)  # type: ignore[attr-defined]

    async def stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Over TCP, behind an answer that was cut."""
        try:
            (length,) = struct.unpack("!H", await reader.readexactly(2))
            data = await reader.readexactly(length)
            for packet in self.packets(data):
                wrong = int(zlib.crc32(packet) % 6 == 0)
                writer.write(struct.pack("!H", min(len(packet) + wrong, 65535)) + packet)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()


async def _ask(port: int, source: Source) -> None:
    """Ask for hosts, addresses and names."""
    settings = DnsSettings(("127.0.0.1",), port, timeout=0.02, tries=1, cache_entries=2)
    resolver = Dns(settings)
    finder = Exchangers(resolver, frozenset({"mail.lab.example"}), ipv6=source.chance(2))
    domain = source.choose(DOMAINS).replace("#", str(source.below(1000)))
    try:
        hosts = await (finder.hosts_of(domain) if source.chance(3) else finder.addresses_of(domain))
    except NoRoute as no:
        must(no.code in (450, 451, 550, 554, 556), "another code", no)
        hosts = ()
    must(len(hosts) <= MAX_EXCHANGERS * MAX_ADDRESSES * 2, "too many hosts", len(hosts))
    for host in hosts:
        ipaddress.ip_address(host.address)
        must(host.address != TRUE, "a forged packet was believed", host)
        must(host.name == domain or _HOST.fullmatch(host.name), "a name that no host has", host)
    route = RouteResolved(
        1, Outcome.DELIVERED, (Target("a@b", NextHop(Transport.SMTP, "k", hosts)),)
    )
    must(decode_payload(encode_frame([route])[4:]) == [route], "qmgr would refuse", route)
    address = source.choose(("192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1", *[STRANGER] * 4))
    name, word = await name_of(resolver, address)
    must(word != "OK" or address != STRANGER, "a name that leads elsewhere is believed", name)
    must(
        word in ("OK", "FAIL", "TEMP", "FORGED") and (word == "OK") == bool(name),
        "name and verdict differ",
        name,
        word,
    )
    must(not name or _HOST.fullmatch(name), "a client name that is none", name)
    must(len(resolver._cache) <= 2, "the cache grows")
    try:
        found = await resolver.ask(domain, "A")
        must(len(found.records) <= MAX_RECORDS, "too many records")
    except DnsFailure:
        pass


async def _ask_many(port: int, salt: int) -> None:
    """Ask side by side."""
    await asyncio.gather(*[_ask(port, Source(Seeded(salt, number))) for number in range(QUESTIONS)])


@contextmanager
def open_dns(box: Path) -> Iterator[Run]:
    """A server for UDP and TCP on one port."""
    with asyncio.Runner() as runner:
        liar = _Liar()

        async def start() -> tuple[asyncio.DatagramTransport, asyncio.AbstractServer, int]:
            loop = asyncio.get_running_loop()
            while True:
                transport, _ = await loop.create_datagram_endpoint(
                    lambda: liar, local_addr=("127.0.0.1", 0)
                )
                port = transport.get_extra_info("sockname")[1]
                try:
                    return (
                        transport,
                        await asyncio.start_server(liar.stream, "127.0.0.1", port),
                        port,
                    )
                except OSError:
                    transport.close()

        transport, server, port = runner.run(start())

        def feed(source: Source) -> None:
            liar.salt = source.below(2**32)
            runner.run(_ask_many(port, liar.salt))

        yield feed
        transport.close()
        server.close()

"""A small DNS server on loopback, for tests: real packets, answers from a table."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

SOA = "ns.test. root.test. 1 3600 600 86400 120"


@dataclass
class Zone:
    """Records by (name, kind); names in `exists` have none of the kind asked for."""

    records: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)
    ttl: int = 60
    asked: list[tuple[str, str]] = field(default_factory=list)

    def add(self, name: str, kind: str, *values: str) -> Zone:
        """Add records."""
        self.records[(name, kind)] = list(values)
        return self


class DnsServer(asyncio.DatagramProtocol):
    """Answers from a zone."""

    def __init__(self, zone: Zone) -> None:
        """Use this zone."""
        self.zone = zone
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where answers go."""
        self.transport = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        """Answer one question."""
        query = dns.message.from_wire(data)
        question = query.question[0]
        name = question.name.to_text().rstrip(".").lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.zone.asked.append((name, kind))
        if name in self.zone.silent:
            return
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.RA
        if name in self.zone.broken:
            reply.set_rcode(dns.rcode.SERVFAIL)
        else:
            self._fill(reply, name, kind)
        assert self.transport is not None
        self.transport.sendto(reply.to_wire(max_size=65535), address)

    def _fill(self, reply: dns.message.Message, name: str, kind: str) -> None:
        """Put records, CNAMEs or a SOA into the reply."""
        while (name, kind) not in self.zone.records and (name, "CNAME") in self.zone.records:
            target = self.zone.records[(name, "CNAME")][0]
            reply.answer.append(
                dns.rrset.from_text(f"{name}.", self.zone.ttl, "IN", "CNAME", target)
            )
            name = target.rstrip(".")
        values = self.zone.records.get((name, kind))
        if values:
            reply.answer.append(dns.rrset.from_text(f"{name}.", self.zone.ttl, "IN", kind, *values))
            return
        reply.authority.append(dns.rrset.from_text("test.", 120, "IN", "SOA", SOA))
        if not any(known == name for known, _ in self.zone.records):
            reply.set_rcode(dns.rcode.NXDOMAIN)


async def start(zone: Zone) -> tuple[asyncio.DatagramTransport, int]:
    """Serve a zone on a free port of 127.0.0.1."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        lambda: DnsServer(zone), local_addr=("127.0.0.1", 0)
    )
    return transport, transport.get_extra_info("sockname")[1]

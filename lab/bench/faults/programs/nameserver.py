"""On the machine, as root: a name server for partner.example that lies, is silent or dead, as it is told.

nameserver.py ADDRESS FAR FOLDER: DNS on port 53 of the address, over UDP and TCP. The MX of partner.example is
mx.partner.example, whose address is FAR. FOLDER/names has the name of the misbehaviour; empty is good behaviour.
"""

from __future__ import annotations

import os
import socketserver
import struct
import sys
import threading
import time
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

NOBODY = "127.0.2.99"
"""An address on which nobody listens."""
TTL = 1
LIES = ("servfail", "nxdomain", "wrong", "silent", "truncated", "garbage", "refused", "late")


class Names:
    """The zone, as it is told at the moment."""

    def __init__(self, far: str, folder: Path) -> None:
        self._far, self._path = far, folder / "names"

    @property
    def lie(self) -> str:
        """What is wrong at the moment."""
        try:
            return self._path.read_text().strip()
        except OSError:
            return ""

    def answer(self, wire: bytes, tcp: bool) -> bytes | None:
        """The answer to a question; None is silence."""
        query = dns.message.from_wire(wire)
        lie = self.lie
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.AA | dns.flags.RA
        match lie:
            case "silent":
                return None
            case "late":
                time.sleep(2.5)
            case "servfail":
                reply.set_rcode(dns.rcode.SERVFAIL)
                return bytes(reply.to_wire())
            case "refused":
                reply.set_rcode(dns.rcode.REFUSED)
                return bytes(reply.to_wire())
            case "nxdomain":
                reply.set_rcode(dns.rcode.NXDOMAIN)
                return bytes(reply.to_wire())
            case "truncated":
                if tcp:
                    return None
                reply.flags |= dns.flags.TC
                return bytes(reply.to_wire())
            case "garbage":
                return wire[:2] + os.urandom(40)
        self._fill(reply, NOBODY if lie == "wrong" else self._far)
        return bytes(reply.to_wire())

    def _fill(self, reply: dns.message.Message, address: str) -> None:
        question = reply.question[0]
        name, kind = question.name.to_text(), dns.rdatatype.to_text(question.rdtype)
        zone = {
            ("partner.example.", "MX"): "10 mx.partner.example.",
            ("mx.partner.example.", "A"): address,
        }
        known = {each for each, _ in zone}
        if data := zone.get((name.lower(), kind)):
            reply.answer.append(dns.rrset.from_text(name, TTL, "IN", kind, data))
        elif name.lower() not in known:
            reply.set_rcode(dns.rcode.NXDOMAIN)


class Udp(socketserver.BaseRequestHandler):
    """One datagram."""

    server: UdpServer

    def handle(self) -> None:
        wire, channel = self.request
        answer = self.server.names.answer(wire, False)
        if answer is not None:
            channel.sendto(answer, self.client_address)


class Tcp(socketserver.StreamRequestHandler):
    """One question over TCP."""

    server: TcpServer

    def handle(self) -> None:
        length = self.rfile.read(2)
        if len(length) < 2:
            return
        wire = self.rfile.read(struct.unpack("!H", length)[0])
        answer = self.server.names.answer(wire, True)
        if answer is not None:
            self.wfile.write(struct.pack("!H", len(answer)) + answer)


class UdpServer(socketserver.ThreadingUDPServer):
    """DNS over UDP."""

    names: Names

    daemon_threads = True
    allow_reuse_address = True


class TcpServer(socketserver.ThreadingTCPServer):
    """DNS over TCP."""

    names: Names

    daemon_threads = True
    allow_reuse_address = True


def main(address: str, far: str, folder: str) -> None:
    """Serve until ended."""
    names = Names(far, Path(folder))
    threads = []
    servers: tuple[UdpServer | TcpServer, ...] = (
        UdpServer((address, 53), Udp),
        TcpServer((address, 53), Tcp),
    )
    for server in servers:
        server.names = names
        threads.append(threading.Thread(target=server.serve_forever))
        threads[-1].start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main(*sys.argv[1:4])

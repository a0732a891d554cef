"""One pool of smtpc, a server, and messages to send; for tests of sessions."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from servers import Manners, Server

from meta1.messages import Deliver, DeliveryReported, Host, NextHop, Transport
from meta1.queue.content_file import HEADER, MAGIC
from meta1.queue.envelope import Content, Outcome
from meta1.smtpc_body import Body
from meta1.smtpc_job import Job, outgoing_of
from meta1.smtpc_pool import Pool
from meta1.smtpc_terms import Patience, Terms

MAIL = b"Subject: x\r\n\r\nbody\r\n.dot\r\n"


def store(directory: Path, content: bytes = MAIL, header: int = 14) -> Content:
    """Write one record into a CDB file as smtps does."""
    (directory / "cdb").mkdir(exist_ok=True)
    path = directory / "cdb" / "00-1"
    before = path.read_bytes() if path.exists() else b""
    path.write_bytes(before + HEADER.pack(MAGIC, len(content), zlib.crc32(content)) + content)
    return Content("cdb/00-1", len(before) + HEADER.size, len(content), header)


class Bench:
    """A pool with one server or several."""

    def __init__(self, directory: Path, terms: Terms | None = None) -> None:
        """Prepare."""
        self.directory = directory
        self.content = store(directory)
        self.reports: list[DeliveryReported] = []
        self.done = asyncio.Event()
        self.terms = terms or Terms("client.test", Patience(reply=2, connect=2, final=2), None)
        self.pool: Pool | None = None
        self.emptied: list[str] = []

    def send(self, hop: NextHop, *paths: str, sender: str = "a@b.test", **more: object) -> None:
        """Send one message."""
        name = f"C{len(self.reports)}"
        delivery = Deliver(name, "S1", hop, sender, paths, self.content)
        delivery = replace(delivery, **more)  # type: ignore[arg-type]
        body = Body(self.directory, delivery)
        job = Job(delivery, body, outgoing_of(delivery, body.size), self.report)
        self.pool = self.pool or Pool(self.terms, self.emptied.append, hop)
        self.pool.submit(hop, job)

    def report(self, report: DeliveryReported) -> None:
        """Note a report."""
        self.reports.append(report)
        self.done.set()

    async def until(self, count: int) -> list[DeliveryReported]:
        """Wait for reports."""
        async with asyncio.timeout(120):
            while len(self.reports) < count:
                self.done.clear()
                await self.done.wait()
        return self.reports

    @property
    def outcomes(self) -> list[list[Outcome]]:
        """The outcomes of each report."""
        return [[one.outcome for one in report.results] for report in self.reports]


Talk = Callable[[Bench, Server, NextHop], Awaitable[None]]


def over_tcp(directory: Path, manners: Manners, talk: Talk, terms: Terms | None = None) -> Server:
    """Run a talk with a server on a TCP port."""

    async def run() -> Server:
        server = Server(manners)
        listening, port = await server.listen_tcp()
        hop = NextHop(Transport.SMTP, "one.test", (Host("localhost", "127.0.0.1", port),))
        bench = Bench(directory, terms)
        await talk(bench, server, hop)
        if bench.pool is not None:
            bench.pool.end()
        listening.close()
        return server

    return asyncio.run(run())


def over_lmtp(directory: Path, manners: Manners, talk: Talk, terms: Terms | None = None) -> Server:
    """Run a talk with a server on a UNIX socket."""

    async def run() -> Server:
        server = Server(replace(manners, lmtp=True))
        path = directory / "lmtp"
        listening = await server.listen_unix(path)
        hop = NextHop(Transport.LMTP, "local", (Host("lmtp", str(path), 0),))
        bench = Bench(directory, terms)
        await talk(bench, server, hop)
        if bench.pool is not None:
            bench.pool.end()
        listening.close()
        return server

    return asyncio.run(run())


async def one_message(bench: Bench, server: Server, hop: NextHop) -> None:
    """Send to two recipients."""
    bench.send(hop, "x@one.test", "y@one.test")
    await bench.until(1)

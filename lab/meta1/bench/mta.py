"""Mail servers side by side: run by `lab bench mta` on the lab machine, as root.

    python3 mta.py table --rounds 3 --sessions 1,50 --kib 1,10 --reuse no,yes
    python3 mta.py cyrus ...     the same into a real Cyrus
    python3 mta.py growth --queued 1000,10000

Prints a line of JSON for each thing measured. In a table the servers take turns, cell by cell and
round by round, so that whatever else the host does meets all of them.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from itertools import product
from statistics import quantiles
from typing import Any

import growth
import latency
from load import Cell, Cyrus, Destination, Sink, burst
from servers import CYRUS, SERVERS, Server

LATENCY_SHARE = 0.35
"""Messages of a latency run against those of a burst: it has but one process to send them."""


def tell(kind: str, **facts: Any) -> None:
    """Print one thing that was measured."""
    print(json.dumps({"kind": kind, **facts}), flush=True)


def numbers(text: str) -> list[int]:
    """Read `1,10,50`."""
    return [int(each) for each in text.split(",")]


def cells(given: argparse.Namespace) -> Iterator[Cell]:
    """All kinds of load that were asked for."""
    reuses = [each == "yes" for each in given.reuse.split(",")]
    for reuse, kib, sessions in product(reuses, numbers(given.kib), numbers(given.sessions)):
        yield Cell(sessions, kib * 1024, reuse)


def table(given: argparse.Namespace, servers: list[Server]) -> None:
    """Rates, CPU, memory and latency for each cell."""
    is_cyrus = given.part == "cyrus"
    into: dict[str, Destination] = {}
    for server in servers:
        into[server.name] = Cyrus() if is_cyrus else Sink(server.sink)
        server.begin(CYRUS if is_cyrus else None)
    for server in servers:
        # The first messages open connections and files; they belong to no cell.
        burst(server, into[server.name], Cell(10, 1024, reuse=False), 0.1 * given.scale)
    for cell in cells(given):
        for number, server in product(range(given.rounds), servers):
            found = burst(server, into[server.name], cell, given.scale)
            tell("burst", server=server.name, round=number, **asdict(cell), **asdict(found))
        if is_cyrus or not given.latency:
            continue
        for server in servers:
            _latency(server, into[server.name], cell, given.scale)
    for server in servers:
        server.end()
        into[server.name].close()


def _latency(server: Server, into: Destination, cell: Cell, scale: float) -> None:
    into.mark()
    count = cell.messages(scale * LATENCY_SHARE)
    waited = latency.measure(server.port, cell.sessions, count, cell.octets, cell.reuse)
    into.wait(len(waited))
    cuts = quantiles(waited, n=100, method="inclusive")
    tell("latency", server=server.name, **asdict(cell), p50=cuts[49], p99=cuts[98])


def queue(given: argparse.Namespace, servers: list[Server]) -> None:
    """Memory, restart and draining with so many messages queued."""
    for queued, server in product(numbers(given.queued), servers):
        tell("growth", server=server.name, **asdict(growth.measure(server, queued)))


PARTS = {"table": table, "cyrus": table, "growth": queue}


def main() -> int:
    parser = argparse.ArgumentParser(description="Mail servers side by side.")
    parser.add_argument("part", choices=list(PARTS))
    parser.add_argument("--servers", default="postfix,meta1")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sessions", default="1,10,50,100")
    parser.add_argument("--kib", default="1,10,100")
    parser.add_argument("--reuse", default="no,yes")
    parser.add_argument("--queued", default="1000,10000,100000")
    parser.add_argument("--scale", type=float, default=1.0, help="messages against the full form")
    parser.add_argument("--rates", dest="latency", action="store_false", help="rates alone")
    given = parser.parse_args()
    servers = [SERVERS[name] for name in given.servers.split(",")]
    PARTS[given.part](given, servers)
    return 0


if __name__ == "__main__":
    sys.exit(main())

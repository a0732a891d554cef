"""What a long queue costs: the destination is down while messages come, then it is up again."""

from __future__ import annotations

import time
from dataclasses import dataclass

import latency
from load import Sink, send
from servers import Server
from usage import cpu_of, memory_of

QUIET = 0.03
"""CPU seconds a second below which a server counts as having come to rest."""
REST_WITHIN = 60.0
SESSIONS = 50


@dataclass(frozen=True, slots=True)
class Growth:
    """What so many queued messages cost. Memory in MiB, times in seconds."""

    queued: int
    accepted: float
    """Messages a second while the destination was down."""
    empty_memory: float
    memory: float
    restart: float
    """From the start of the program until it had answered a new message with 250."""
    drain: float
    """From the moment when the server was told that the destination is there until all had come."""


def measure(server: Server, queued: int) -> Growth:
    """Queue, restart, drain. Raises `TimeoutError` if a message does not arrive."""
    server.begin()
    rest(server)
    empty = memory_of(server.top)
    began = time.monotonic()
    send(server, SESSIONS, queued, 1024, reuse=False)
    accepted = queued / (time.monotonic() - began)
    rest(server)
    memory = memory_of(server.top)
    server.end()
    began = time.monotonic()
    server.run(server.start)
    first_message(server)
    restart = time.monotonic() - began
    rest(server)
    sink = Sink(server.sink)
    sink.mark()
    began = time.monotonic()
    server.run(server.flush)
    sink.wait(queued + 1)
    drain = time.monotonic() - began
    server.end()
    sink.close()
    return Growth(queued, accepted, empty, memory, restart, drain)


def first_message(server: Server) -> None:
    """Send one as soon as it is taken."""
    deadline = time.monotonic() + REST_WITHIN
    while True:
        server.await_greeting()
        try:
            latency.measure(server.port, 1, 1, 1024, reuse=False)
        except (OSError, latency.Refused):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def rest(server: Server) -> None:
    """Wait until the server does no more than an idle one does."""
    deadline = time.monotonic() + REST_WITHIN
    used = cpu_of(server.top)
    while time.monotonic() < deadline:
        time.sleep(1)
        before, used = used, cpu_of(server.top)
        if used - before < QUIET:
            return

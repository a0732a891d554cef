"""A port for a server of a test."""

from __future__ import annotations

import contextlib
import random
import socket


def free_port() -> int:
    """Find a port that nobody uses, where the kernel does not choose ports for clients.

    One that the kernel chose may be a client's a moment later, on a machine with much to do.
    """
    while True:
        port = random.randrange(20_000, 32_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port

"""On the machine: pass connections on to MeTA1, and write down who said what, a JSON line a session.

A chunk is what one side wrote at once, as far as the kernel delivers it so: that shows who pipelines.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

SERVER = ("127.0.1.1", 25)
KEPT = 4000
"""Octets of a chunk that are written down: enough for any command."""


async def copy(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    side: str,
    said: list[tuple[str, str]],
) -> None:
    """Pass on until the end."""
    while data := await reader.read(1 << 16):
        said.append((side, data[:KEPT].decode("latin-1")))
        writer.write(data)
        await writer.drain()
    writer.close()


async def session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, log: Path) -> None:
    """One session, both ways."""
    said: list[tuple[str, str]] = []
    up, down = await asyncio.open_connection(*SERVER)
    await asyncio.gather(
        copy(reader, down, "C", said), copy(up, writer, "S", said), return_exceptions=True
    )
    with log.open("a") as out:
        out.write(json.dumps(said) + "\n")


async def main(port: str, log: str) -> None:
    """Listen for ever."""
    server = await asyncio.start_server(
        lambda r, w: session(r, w, Path(log)), "127.0.1.1", int(port)
    )
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

"""A module that does nothing but what every module does: stands in for the real ones.

What it does is said by its configuration file's directory: a file ``NAME.die`` makes it end
before it is ready, ``NAME.hang`` keeps it from being ready, ``NAME.deaf`` makes it ignore SIGTERM.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from meta1 import program
from meta1.listen import receive_sockets


async def serve(service: program.Service) -> None:
    """Say what happens in a file, serve connections with the module's name, and stop."""
    home = Path(service.config.file).parent
    name = service.section.label or service.name

    def note(what: str) -> None:
        with (home / "history").open("a") as history:
            history.write(f"{name}.{service.process} {what} {os.getpid()}\n")

    note("start")
    if (home / f"{name}.die").exists():
        raise RuntimeError("told to die")
    if (home / f"{name}.hang").exists():
        await asyncio.sleep(3600)
    if (home / f"{name}.deaf").exists():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    service.on_reload(lambda config, section: note("reload"))
    servers = []
    if service.name == "smtps":
        for each in await receive_sockets(service):
            servers.append(await asyncio.start_server(_greet(name), sock=each))
    note("ready")
    service.ready()
    await service.stopping.wait()
    note("stop")
    for server in servers:
        server.close()


def _greet(name: str):  # type: ignore[no-untyped-def]
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"220 {name}\r\n".encode())
        await writer.drain()
        writer.close()

    return greet


if __name__ == "__main__":
    raise SystemExit(program.run(sys.argv[1], serve, sys.argv[2:]))

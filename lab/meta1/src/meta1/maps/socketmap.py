"""The map type `socket`: a server that answers lookups over a UNIX or TCP socket."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Final

from meta1 import maillog
from meta1.maps.base import Answer, MapFailure
from meta1.maps.netstring import BadNetstring, answer_of, request, take

MAX_CONNECTIONS: Final = 8
READ: Final = 16 * 1024


@dataclass(frozen=True, slots=True)
class Place:
    """Where the server is: a path, or an address and a port."""

    path: str = ""
    address: str = ""
    port: int = 0


@dataclass(slots=True)
class Connection:
    """One connection; only one request is under way on it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    buffer: bytearray = field(default_factory=bytearray)


class SocketMap:
    """Keeps a few connections; each question has a time limit from beginning to end."""

    def __init__(self, name: str, place: Place, map_name: str, timeout: float) -> None:
        """Use this server; nothing is opened before the first lookup."""
        self.name = name
        self._place = place
        self._map_name = map_name
        self._timeout = timeout
        self._idle: list[Connection] = []
        self._free = asyncio.Semaphore(MAX_CONNECTIONS)

    async def lookup(self, key: str) -> Answer:
        """Ask; a connection that broke while it was idle is replaced once."""
        try:
            async with asyncio.timeout(self._timeout), self._free:
                if self._idle:
                    try:
                        return await self._ask(self._idle.pop(), key)
                    except (OSError, EOFError):
                        self.close()
                return await self._ask(await self._connect(), key)
        except (OSError, EOFError, BadNetstring, TimeoutError) as error:
            maillog.map_failed(self.name, error or type(error).__name__)
            raise MapFailure(f"map {self.name} does not answer") from error

    async def _connect(self) -> Connection:
        """Open a connection."""
        if self._place.path:
            reader, writer = await asyncio.open_unix_connection(self._place.path)
        else:
            reader, writer = await asyncio.open_connection(self._place.address, self._place.port)
        return Connection(reader, writer)

    async def _ask(self, connection: Connection, key: str) -> Answer:
        """Ask on one connection; it is kept only if all went well."""
        try:
            connection.writer.write(request(self._map_name, key))
            payload = await _reply(connection)
        except BaseException:
            connection.writer.close()
            raise
        if connection.buffer:
            connection.writer.close()
            raise BadNetstring("more than one reply")
        self._idle.append(connection)
        return answer_of(payload)

    def close(self) -> None:
        """Close what is idle."""
        for connection in self._idle:
            connection.writer.close()
        self._idle.clear()


async def _reply(connection: Connection) -> bytes:
    """Read one netstring."""
    while (payload := take(connection.buffer)) is None:
        data = await connection.reader.read(READ)
        if not data:
            raise EOFError("connection closed")
        connection.buffer += data
    return payload

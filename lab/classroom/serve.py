"""A UNIX socket that answers requests of `lab.classroom.protocol`, from one user only.

What comes is from somebody who may mean harm: lines and waits are bounded, so is the number of connections, and
nothing that is sent makes us do anything but answer with an error.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from lab.classroom.protocol import MOST_REQUEST, BadRequest, Request, Table, encode, parse, refusal
from lab.errors import LabError

REQUEST_SECONDS = 10.0
"""A request is here within that time, or nobody waits for it."""
ANSWER_SECONDS = 30.0
"""Whoever does not read for so long has left."""
CONNECTIONS = 32
"""At the same time on one socket; a sandbox full of kernels and terminals has fewer."""
CREDENTIALS = struct.Struct("3i")
log = logging.getLogger("lab.classroom")


class ClientLeft(Exception):
    """Nobody reads the answer any more."""


@dataclass(frozen=True, slots=True)
class Passed:
    """A result that is a stream: the client gets the stream itself."""

    stream: socket.socket


class Channel:
    """The way back to a client while its request is at work."""

    def __init__(self, writer: asyncio.StreamWriter, loop: asyncio.AbstractEventLoop) -> None:
        self._writer = writer
        self._loop = loop

    def say(self, text: str) -> None:
        """Tell of a step, from any thread; nobody waits until it is read."""
        self._loop.call_soon_threadsafe(self._writer.write, encode({"say": text}))

    async def put(self, value: object) -> None:
        """Say something large, and wait until it is read. Raises `ClientLeft`."""
        self._writer.write(encode({"say": value}))
        try:
            await asyncio.wait_for(self._writer.drain(), ANSWER_SECONDS)
        except (OSError, TimeoutError) as error:
            raise ClientLeft from error


Handler = Callable[[Request, Channel], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Door:
    """A socket: where it is, who may come, what may be asked."""

    path: Path
    uid: int
    table: Table
    handler: Handler
    connections: int = CONNECTIONS

    async def open(self) -> asyncio.Server:
        """Start to answer. The socket of a broker before this one is replaced."""
        end = _bound(self.path, self.uid)
        busy = 0

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal busy
            busy += 1
            try:
                await self._serve(reader, writer, crowded=busy > self.connections)
            except (OSError, TimeoutError, ClientLeft):
                writer.transport.abort()  # what was not read is not kept
            finally:
                busy -= 1
                writer.close()

        return await asyncio.start_unix_server(serve, sock=end, limit=MOST_REQUEST)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, crowded: bool
    ) -> None:
        end: socket.socket = writer.get_extra_info("socket")
        writer.transport.set_write_buffer_limits(0)
        if (uid := _uid(end)) != self.uid:
            log.warning("%s: refused uid %d", self.path.parent.name, uid)
            return
        try:
            result = await self._answer(reader, writer, crowded)
        except LabError as error:
            writer.write(refusal(error))
        else:
            writer.write(encode({"ok": {} if isinstance(result, Passed) else result}))
            if isinstance(result, Passed):
                with result.stream:
                    await asyncio.wait_for(writer.drain(), ANSWER_SECONDS)
                    _pass(end, result.stream)
                # What is on its way counts against all of root's: there is no more of it than connections.
                await asyncio.wait_for(reader.read(1), ANSWER_SECONDS)
        await asyncio.wait_for(writer.drain(), ANSWER_SECONDS)

    async def _answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, crowded: bool
    ) -> object:
        if crowded:
            raise LabError("too much is asked at the same time", "end some kernels or terminals")
        try:
            line = await asyncio.wait_for(reader.readline(), REQUEST_SECONDS)
        except TimeoutError as error:
            raise BadRequest(f"no request came within {REQUEST_SECONDS:.0f} s") from error
        except ValueError as error:
            raise BadRequest(f"a request has at most {MOST_REQUEST} bytes") from error
        request = parse(line, self.table)
        try:
            result = await self.handler(request, Channel(writer, asyncio.get_running_loop()))
        except (LabError, ClientLeft):
            raise
        except Exception as error:
            # A fault of ours, met by one trainee, is no reason to leave all others without a broker.
            log.exception("%s: %s", self.path.parent.name, request.do)
            raise LabError("the broker failed at this", "tell the instructor") from error
        await asyncio.sleep(0)  # what was said before is written before
        return result


def _bound(path: Path, uid: int) -> socket.socket:
    """A socket that only root and that user's group can open, and only root can replace."""
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    if uid:
        os.chown(path.parent, 0, uid)
    path.unlink(missing_ok=True)
    end = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # Through the folder's descriptor: a socket's path may have no more than 107 bytes.
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    old = os.umask(0o117)
    try:
        end.bind(f"/proc/self/fd/{folder}/{path.name}")
    finally:
        os.umask(old)
        os.close(folder)
    if uid:
        os.chown(path, 0, uid)
    end.listen(64)
    return end


def _uid(end: socket.socket) -> int:
    found = end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
    uid: int = CREDENTIALS.unpack(found)[1]
    return uid


def _pass(end: socket.socket, stream: socket.socket) -> None:
    """Send the stream's descriptor; asyncio's own socket cannot."""
    with socket.socket(fileno=os.dup(end.fileno())) as copy:
        socket.send_fds(copy, [encode({})], [stream.fileno()])

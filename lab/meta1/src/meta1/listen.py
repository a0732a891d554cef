"""Listening sockets: bound by mcp as root, passed to the module through a UNIX socket.

The module makes the UNIX socket and says so; mcp connects and sends the descriptors. Both sides
check whom they talk to.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from meta1.config import Config, ListenSocket, Module
from meta1.program import Service

MAX_SOCKETS: Final = 64
PASS_TIMEOUT: Final = 10.0
PASSFD: Final = "passfd"
"""What the module tells mcp when its UNIX socket is there."""
_FAMILIES: Final = {"inet": socket.AF_INET, "inet6": socket.AF_INET6}


def bind(spec: ListenSocket) -> socket.socket:
    """A listening TCP socket as the section wants it; raises OSError."""
    family = _FAMILIES[spec.type]
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # IPv4 has its own section; without this both could not be bound together.
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind((str(spec.address) if spec.address else "", spec.port))
        made.listen(spec.backlog)
        made.setblocking(False)
    except OSError:
        made.close()
        raise
    return made


def pass_path(config: Config, module: Module, process: int) -> Path:
    """The UNIX socket of one of the module's processes."""
    name = module.pass_fd_socket or ""
    return config.spool(f"{name}.{process}" if process else name)


async def send_sockets(path: Path, uid: int, sockets: Iterable[socket.socket]) -> None:
    """Pass sockets to the module that listens on ``path``; raises OSError or TimeoutError.

    The path lies in a directory of the module's user, who must not make root talk to another's.
    """
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
        channel.setblocking(False)
        async with asyncio.timeout(PASS_TIMEOUT):
            await loop.sock_connect(channel, str(path))
        if _peer_uid(channel) != uid:
            raise PermissionError(f"{path} is not a socket of user {uid}")
        descriptors = [each.fileno() for each in sockets]
        socket.send_fds(channel, [f"{len(descriptors)}\n".encode("ascii")], descriptors)


async def receive_sockets(service: Service) -> list[socket.socket]:
    """The listening sockets of this module: passed by mcp, or bound here with action ``wait``."""
    if service.section.start_action != "pass":
        return [bind(each) for each in service.section.listen_socket]
    path = pass_path(service.config, service.section, service.process)
    with _unix_listener(path) as listener:
        service.tell(PASSFD)
        try:
            return await _accept_from_mcp(listener)
        finally:
            path.unlink(missing_ok=True)


def _unix_listener(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    old = os.umask(0o177)
    try:
        made.bind(str(path))
    finally:
        os.umask(old)
    made.listen(4)
    made.setblocking(False)
    return made


async def _accept_from_mcp(listener: socket.socket) -> list[socket.socket]:
    loop = asyncio.get_running_loop()
    while True:
        channel, _ = await loop.sock_accept(listener)
        with channel:
            if _peer_uid(channel) not in (0, os.geteuid()):
                continue
            channel.settimeout(PASS_TIMEOUT)
            with contextlib.suppress(OSError, ValueError):
                return _take(channel)


def _peer_uid(channel: socket.socket) -> int:
    data = channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", data)
    return int(uid)


def _take(channel: socket.socket) -> list[socket.socket]:
    """Descriptors out of one message; anything but listening TCP sockets is a ValueError."""
    data, descriptors, _, _ = socket.recv_fds(channel, 64, MAX_SOCKETS)
    sockets = [socket.socket(fileno=each) for each in descriptors]
    right = data == f"{len(sockets)}\n".encode("ascii") and bool(sockets)
    if not right or not all(_is_listening(each) for each in sockets):
        for each in sockets:
            each.close()
        raise ValueError("not the sockets that were announced")
    for each in sockets:
        each.setblocking(False)
    return sockets


def _is_listening(each: socket.socket) -> bool:
    is_tcp = each.family in _FAMILIES.values() and each.type == socket.SOCK_STREAM
    return is_tcp and each.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1

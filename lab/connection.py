"""The one SSH connection to the machine: made when first needed, kept, watched, remade.

Below `Host` and above paramiko; nothing here knows what a command is. There is no trust on first
use: a machine whose key is not in the lab's own ``known_hosts`` is not talked to. No agent and no
key but the lab's own is tried.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

import paramiko
from paramiko.ssh_exception import IncompatiblePeer

from lab.errors import ConnectionLost, HostKeyMismatch, LabError
from lab.providers.base import Endpoint

KEEP_ALIVE = 15.0
"""Seconds between questions to the machine."""
ANSWER_TIMEOUT = 30.0
"""Seconds it has for an answer, also with many labs on a busy host; then it is gone."""
OPEN_TIMEOUT = 15.0
"""Seconds for each step of making a connection, or a channel in it."""
WINDOW = 2**31 - 1
"""Bytes the machine may send before we read them. So large that it never waits for us: a command
that fills stderr while we read stdout, or talks while we send its input, cannot lock up."""
RESUME = "lab status, then lab up; then run the cell again"

# Paramiko logs what we raise anyway; without a handler Python would print it into the notebook.
logging.getLogger("paramiko").addHandler(logging.NullHandler())


class Connection:
    """A connection to one endpoint. Threads may share it; each channel belongs to one thread."""

    def __init__(self, endpoint: Endpoint, connect: Callable[[], socket.socket]) -> None:
        self.endpoint = endpoint
        self._connect = connect
        self._transport: paramiko.Transport | None = None
        self._lock = threading.Lock()

    def session(self) -> paramiko.Channel:
        """A fresh session channel."""
        return self._channel("session", None)

    def dial(self, port: int) -> paramiko.Channel:
        """A stream to a port on the machine's own loopback."""
        return self._channel("direct-tcpip", ("127.0.0.1", port))

    def close(self) -> None:
        """End the connection; the next call makes a new one."""
        with self._lock:
            transport, self._transport = self._transport, None
        if transport:
            _end(transport)

    def _channel(self, kind: str, target: tuple[str, int] | None) -> paramiko.Channel:
        """Open a channel, on a new connection if the old one died while nothing ran on it."""
        transport = self.transport()
        try:
            return _open_channel(transport, kind, target)
        except (paramiko.SSHException, EOFError, OSError) as error:
            _raise_if_refused(error, target)
            self._forget(transport)
        try:
            return _open_channel(self.transport(), kind, target)
        except (paramiko.SSHException, EOFError, OSError) as error:
            _raise_if_refused(error, target)
            raise ConnectionLost(f"the machine opens no channel: {error}", RESUME) from error

    def transport(self) -> paramiko.Transport:
        with self._lock:
            if self._transport is None or not self._transport.is_active():
                self._transport = _login(self.endpoint, self._connect)
            return self._transport

    def _forget(self, transport: paramiko.Transport) -> None:
        """Drop a dead transport, unless another thread has replaced it by now."""
        with self._lock:
            if self._transport is transport:
                self._transport = None
        _end(transport)


def _login(endpoint: Endpoint, connect: Callable[[], socket.socket]) -> paramiko.Transport:
    """Connect, compare the host key, log in with the lab's key, and start the watch."""
    pinned = _pinned(endpoint)
    key = _user_key(endpoint)
    transport = paramiko.Transport(_stream(connect))
    try:
        _shake_hands(transport, pinned, endpoint)
        transport.auth_publickey(endpoint.user, key)
    except paramiko.AuthenticationException as error:
        raise LabError(
            f"the machine refuses {endpoint.user}'s key {endpoint.key_file}",
            "lab down, then lab up",
        ) from error
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise ConnectionLost(
            f"no SSH server answers: {error or 'connection closed'}", RESUME
        ) from error
    finally:
        if not transport.is_authenticated():
            _end(transport)
    threading.Thread(target=_watch, args=(transport,), name="lab keep-alive", daemon=True).start()
    return transport


def _stream(connect: Callable[[], socket.socket]) -> socket.socket:
    try:
        stream = connect()
    except OSError as error:
        raise ConnectionLost(f"the machine cannot be reached: {error}", RESUME) from error
    if stream.family in (socket.AF_INET, socket.AF_INET6):
        # Without it each small message waits until the last one is acknowledged: 40 ms a command.
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return stream


def _shake_hands(
    transport: paramiko.Transport, pinned: list[paramiko.PKey], endpoint: Endpoint
) -> None:
    transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = OPEN_TIMEOUT
    transport.get_security_options().key_types = _algorithms(pinned)
    try:
        transport.start_client(timeout=OPEN_TIMEOUT)
    except IncompatiblePeer as error:
        raise _mismatch(endpoint, "has no key of the pinned kind") from error
    if transport.get_remote_server_key() not in pinned:
        raise _mismatch(endpoint, "shows another key than the pinned one")


def _pinned(endpoint: Endpoint) -> list[paramiko.PKey]:
    """Keys that ``known_hosts`` has for this endpoint, under its name with or without a port."""
    try:
        hosts = paramiko.HostKeys(str(endpoint.known_hosts))
    except OSError as error:
        raise HostKeyMismatch(f"no pinned host key: {error}", "lab down, then lab up") from error
    names = (endpoint.host, f"[{endpoint.host}]:{endpoint.port}")
    keys = [key for name in names for key in (hosts.lookup(name) or {}).values()]
    if not keys:
        raise HostKeyMismatch(
            f"{endpoint.known_hosts} pins no key for {names[1]}", "lab down, then lab up"
        )
    return keys


def _algorithms(pinned: list[paramiko.PKey]) -> tuple[str, ...]:
    """Signature algorithms of the pinned keys, so that the server shows the key we can compare."""
    names = [key.get_name() for key in pinned]
    rsa = ["rsa-sha2-512", "rsa-sha2-256"] if "ssh-rsa" in names else []
    return tuple(dict.fromkeys([*(name for name in names if name != "ssh-rsa"), *rsa]))


def _mismatch(endpoint: Endpoint, how: str) -> HostKeyMismatch:
    return HostKeyMismatch(
        f"what answers at {endpoint.host}:{endpoint.port} {how} in {endpoint.known_hosts}",
        "do not trust it; if the machine was remade by hand: lab down, then lab up",
    )


def _user_key(endpoint: Endpoint) -> paramiko.PKey:
    try:
        return paramiko.PKey.from_path(endpoint.key_file)
    except (OSError, ValueError, paramiko.SSHException) as error:
        raise LabError(
            f"no usable key {endpoint.key_file}: {error}", "lab down, then lab up"
        ) from error


def _open_channel(
    transport: paramiko.Transport, kind: str, target: tuple[str, int] | None
) -> paramiko.Channel:
    return transport.open_channel(
        kind, target, target and ("127.0.0.1", 0), WINDOW, timeout=OPEN_TIMEOUT
    )


def _raise_if_refused(error: Exception, target: tuple[str, int] | None) -> None:
    """A refusal is an answer: the connection lives, and a new one would be told the same."""
    if isinstance(error, paramiko.ChannelException) and target:
        raise LabError(
            f"nothing answers on port {target[1]} of the machine: {error.text}",
            "ss -ltnp on the machine shows what listens",
        ) from error
    if isinstance(error, paramiko.ChannelException):
        raise LabError(
            f"the machine opens no further session: {error.text}",
            "close dialogs that are no longer needed",
        ) from error


def _watch(transport: paramiko.Transport) -> None:
    """Ask the machine for a sign of life; end a connection that leaves the question open.

    Paramiko's own keep-alive wants no answer, so it would not notice a machine that is frozen.
    """
    while transport.is_active():
        transport.join(KEEP_ALIVE)
        unanswered = threading.Timer(ANSWER_TIMEOUT, _end, (transport,))
        unanswered.daemon = True
        unanswered.start()
        try:
            transport.global_request("keepalive@openssh.com", wait=True)
        except (paramiko.SSHException, EOFError, OSError):
            return
        finally:
            unanswered.cancel()


def _end(transport: paramiko.Transport) -> None:
    with suppress(OSError):  # closed by the other side already
        # Wakes paramiko's thread at once; closing alone it would notice with its next poll.
        transport.sock.shutdown(socket.SHUT_RDWR)
    transport.close()

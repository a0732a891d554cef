"""A connection between two of our processes: messages in, messages out.

`Channel` is the asyncio protocol at either end of a UNIX socket.  What is sent within one turn
of the loop leaves as one frame; while the peer does not read, messages wait (bounded), and
`is_congested` tells the sender to slow down.  `serve` listens; `link.Link` is the side that
connects.  A peer that breaks the protocol, has another version or the wrong uid is cut off.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import stat
import struct
from collections import deque
from collections.abc import Callable, Container
from pathlib import Path
from typing import Final, cast

from meta1.codec import BadFrame, FrameReader, TooBig, encode_frame
from meta1.messages import PROTOCOL_VERSION, Hello, Message

BATCH: Final = 500
"""Messages in one frame at most, so that the first ones need not wait for the last."""
CONGESTED: Final = 5_000
MAX_WAITING: Final = 100_000
"""A peer that leaves so much unread is taken for dead."""
HELLO_WITHIN: Final = 10.0

_log = logging.getLogger(__name__)
_CREDENTIALS: Final = struct.Struct("3i")

OnMessage = Callable[["Channel", Message], None]
OnOpen = Callable[["Channel", Hello], None]
OnClose = Callable[["Channel"], None]


def do_nothing(channel: Channel) -> None:
    """Do nothing about a connection that ended."""


class Channel(asyncio.Protocol):
    """One end of a connection; the callbacks run in the loop and must not block."""

    def __init__(
        self,
        me: Hello,
        on_message: OnMessage,
        on_open: OnOpen,
        on_close: OnClose = do_nothing,
        *,
        allowed_uids: Container[int] | None = None,
    ) -> None:
        """Prepare; nothing happens before the transport connects."""
        self.peer: Hello | None = None
        self._me = me
        self._on_message = on_message
        self._on_open = on_open
        self._on_close = on_close
        self._allowed = allowed_uids
        self._reader = FrameReader()
        self._waiting: deque[Message] = deque()
        self._transport: asyncio.Transport | None = None
        self._can_write = True
        self._flush_planned = False
        self._hello_timer: asyncio.TimerHandle | None = None

    # ---- what the owner uses ---------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Tell whether both sides have said Hello and nobody has closed."""
        return self.peer is not None and self._transport is not None

    @property
    def is_congested(self) -> bool:
        """Tell whether the peer does not keep up: do not ask it for more."""
        return len(self._waiting) > CONGESTED

    def send(self, message: Message) -> None:
        """Send in the frame of this turn of the loop; lost if the connection is."""
        if self._transport is None:
            return
        self._waiting.append(message)
        if not self._flush_planned and self._can_write:
            self._flush_planned = True
            asyncio.get_running_loop().call_soon(self._flush)
        elif len(self._waiting) > MAX_WAITING:
            self._cut("peer does not read")

    def pause_reading(self) -> None:
        """Let the peer wait: its messages stay in the socket."""
        if self._transport is not None and self._transport.is_reading():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Take messages again."""
        if self._transport is not None and not self._transport.is_reading():
            self._transport.resume_reading()

    def close(self) -> None:
        """Send what waits, then end the connection."""
        if self._transport is not None:
            self._can_write = True
            self._flush()
        if self._transport is not None:
            self._transport.close()

    # ---- what asyncio calls ----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Check who it is and say Hello."""
        self._transport = cast(asyncio.Transport, transport)
        if self._allowed is not None:
            uid = _peer_uid(self._transport)
            if uid not in self._allowed:
                self._cut(f"uid {uid} may not connect here")
                return
        loop = asyncio.get_running_loop()
        self._hello_timer = loop.call_later(HELLO_WITHIN, self._cut, "no Hello in time")
        self.send(self._me)

    def data_received(self, data: bytes) -> None:
        """Hand on each message; the first must be a Hello of our version."""
        try:
            found = self._reader.receive(data)
        except BadFrame as error:
            self._cut(f"bad frame: {error}")
            return
        for message in found:
            if self._transport is None:
                return
            if self.peer is not None and not isinstance(message, Hello):
                self._on_message(self, message)
            else:
                self._greet(message)

    def connection_lost(self, error: Exception | None) -> None:
        """Tell the owner, if it ever knew of the connection."""
        self._transport = None
        self._stop_hello_timer()
        self._waiting.clear()
        if self.peer is not None:
            self._on_close(self)

    def pause_writing(self) -> None:
        """Keep messages back while the socket is full."""
        self._can_write = False

    def resume_writing(self) -> None:
        """Send what has gathered."""
        self._can_write = True
        self._flush()

    # ---- inside ----------------------------------------------------------------------------

    def _greet(self, message: Message) -> None:
        """Open the channel with the first Hello; anything else is a broken peer."""
        if self.peer is not None or not isinstance(message, Hello):
            self._cut("Hello expected once and first")
        elif message.version != PROTOCOL_VERSION:
            self._cut(f"peer speaks version {message.version}, not {PROTOCOL_VERSION}")
        else:
            self._stop_hello_timer()
            self.peer = message
            self._on_open(self, message)

    def _flush(self) -> None:
        """Write what waits, a frame for each batch, until the socket is full."""
        self._flush_planned = False
        while self._waiting and self._can_write and self._transport is not None:
            count = min(BATCH, len(self._waiting))
            self._write([self._waiting.popleft() for _ in range(count)])

    def _write(self, batch: list[Message]) -> None:
        """Write one frame, or two halves if it would be too long."""
        try:
            frame = encode_frame(batch)
        except TooBig:
            if len(batch) == 1:
                raise  # our own mistake: the owner's limits let such a message happen
            self._write(batch[: len(batch) // 2])
            self._write(batch[len(batch) // 2 :])
            return
        if self._transport is not None:
            self._transport.write(frame)

    def _stop_hello_timer(self) -> None:
        """The peer has spoken, or will never."""
        if self._hello_timer is not None:
            self._hello_timer.cancel()
            self._hello_timer = None

    def _cut(self, reason: str) -> None:
        """End the connection at once; nothing more is read or sent."""
        name = self.peer.program if self.peer is not None else "unknown peer"
        _log.warning("connection with %s cut: %s", name, reason)
        transport, self._transport = self._transport, None
        self._waiting.clear()
        if transport is not None:
            transport.abort()


def _peer_uid(transport: asyncio.Transport) -> int:
    """Ask the kernel who connected (works for asyncio and uvloop alike)."""
    wrapped = transport.get_extra_info("socket")
    with socket.socket(fileno=os.dup(wrapped.fileno())) as plain:
        data = plain.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return cast(int, _CREDENTIALS.unpack(data)[1])


async def serve(
    path: Path, make: Callable[[], Channel], *, mode: int = 0o660, gid: int = -1
) -> asyncio.AbstractServer:
    """Listen on a UNIX socket; an old socket file of ours is replaced, another file is not."""
    if path.exists() or path.is_symlink():
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise FileExistsError(f"{path} is there and is no socket")
        path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)  # nobody else connects before mode and group are right
    try:
        listener.bind(str(path))
    finally:
        os.umask(before)
    if gid >= 0:
        os.chown(path, -1, gid)
    path.chmod(mode)
    listener.setblocking(False)
    return await asyncio.get_running_loop().create_unix_server(make, sock=listener)

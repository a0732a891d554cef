"""Channels over real UNIX sockets: greeting, batches, hostile peers, reconnection."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from meta1 import channel as channel_module
from meta1.channel import Channel, serve
from meta1.codec import FrameReader, encode_frame
from meta1.link import Link, Requests
from meta1.messages import CapacityChanged, Hello, Message, TransactionCommitted


class Party:
    """One side of a talk, remembering all that it heard."""

    def __init__(self, name: str) -> None:
        """Hear nothing yet."""
        self.me = Hello(name)
        self.heard: list[Message] = []
        self.channels: list[Channel] = []
        self.closed = 0
        self.changed = asyncio.Event()

    def on_message(self, channel: Channel, message: Message) -> None:
        """Remember a message."""
        self.heard.append(message)
        self.changed.set()

    def on_open(self, channel: Channel, hello: Hello) -> None:
        """Remember the channel."""
        self.channels.append(channel)
        self.changed.set()

    def on_close(self, channel: Channel) -> None:
        """Count the end."""
        self.closed += 1
        self.changed.set()

    def make(self, allowed: set[int] | None = None) -> Channel:
        """Build a channel of this side."""
        return Channel(self.me, self.on_message, self.on_open, self.on_close, allowed_uids=allowed)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something to become true."""
        async with asyncio.timeout(60):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


def run(talk: Callable[[], Awaitable[None]]) -> None:
    """Run one talk in a fresh loop."""
    asyncio.run(talk())  # type: ignore[arg-type]


def test_messages_of_one_turn_share_a_frame(tmp_path: Path) -> None:
    """A hundred messages sent at once arrive in order, in one write."""

    async def talk() -> None:
        server, client = Party("qmgr"), Party("smtps")
        listening = await serve(tmp_path / "s", server.make)
        link = Link(tmp_path / "s", client.me, client.on_message, client.on_open)
        link.start()
        await client.until(lambda: link.is_open)
        writes: list[bytes] = []
        transport = client.channels[0]._transport
        assert transport is not None
        original = transport.write
        client.channels[0]._transport = Spy(transport, writes, original)  # type: ignore[assignment]
        for number in range(100):
            assert link.send(CapacityChanged(number))
        await server.until(lambda: len(server.heard) == 100)
        assert server.heard == [CapacityChanged(number) for number in range(100)]
        assert len(writes) == 1
        assert oct((tmp_path / "s").stat().st_mode & 0o777) == "0o660"
        link.stop()
        listening.close()

    run(talk)


class Spy:
    """A transport that also records what is written."""

    def __init__(
        self, inner: asyncio.Transport, writes: list[bytes], write: Callable[[bytes], None]
    ) -> None:
        """Wrap a transport."""
        self._inner, self._writes, self._original = inner, writes, write

    def write(self, data: bytes) -> None:
        """Record and write."""
        self._writes.append(data)
        self._original(data)

    def __getattr__(self, name: str) -> object:
        """Leave everything else to the transport."""
        return getattr(self._inner, name)


@pytest.mark.parametrize(
    "opening",
    [
        encode_frame([Hello("smtps", version=99)]),
        encode_frame([TransactionCommitted("S1")]),
        encode_frame([Hello("smtps"), Hello("smtps")]),
        struct.pack("!I", 0xFFFFFFFF),
        b"EHLO x\r\n",
        struct.pack("!I", 3) + b"{}}",
    ],
)
def test_a_peer_that_breaks_the_protocol_is_cut_off(tmp_path: Path, opening: bytes) -> None:
    """Wrong version, no Hello, two Hellos, noise: the connection ends, no message passes."""

    async def talk() -> None:
        server = Party("qmgr")
        listening = await serve(tmp_path / "s", server.make)
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "s"))
        writer.write(opening)
        async with asyncio.timeout(60):
            rest = b""
            with contextlib.suppress(ConnectionResetError):
                rest = await reader.read()
        assert server.heard == []
        assert FrameReader().receive(rest) in ([], [server.me])
        writer.close()
        listening.close()

    run(talk)


def test_another_user_may_not_connect(tmp_path: Path) -> None:
    """The uid the kernel reports decides."""

    async def talk() -> None:
        server = Party("qmgr")
        listening = await serve(tmp_path / "s", lambda: server.make({os.getuid() + 1}))
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "s"))
        async with asyncio.timeout(60):
            assert await reader.read() == b""
        writer.close()
        listening.close()

    run(talk)


def test_a_silent_peer_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who connects must say Hello in time."""
    monkeypatch.setattr(channel_module, "HELLO_WITHIN", 0.05)

    async def talk() -> None:
        server = Party("qmgr")
        listening = await serve(tmp_path / "s", server.make)
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "s"))
        async with asyncio.timeout(60):
            await reader.read()
        writer.close()
        listening.close()

    run(talk)


def test_a_peer_that_does_not_read_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Messages wait, the sender is told, and in the end the peer is given up."""
    monkeypatch.setattr(channel_module, "MAX_WAITING", 20_000)

    async def talk() -> None:
        server = Party("qmgr")
        listening = await serve(tmp_path / "s", server.make)
        _reader, writer = await asyncio.open_unix_connection(str(tmp_path / "s"), limit=10)
        writer.write(encode_frame([Hello("smtps")]))
        await server.until(lambda: bool(server.channels))
        channel = server.channels[0]
        congested = False
        for _ in range(3000):
            for _ in range(100):
                channel.send(TransactionCommitted("S" * 100))
            congested = congested or channel.is_congested
            await asyncio.sleep(0)
            if server.closed:
                break
        assert congested
        await server.until(lambda: server.closed == 1)
        writer.close()
        listening.close()

    run(talk)


def test_a_link_comes_back(tmp_path: Path) -> None:
    """The client connects before the server is there, and again after it went away."""

    async def talk() -> None:
        server, client = Party("qmgr"), Party("smtps")
        link = Link(tmp_path / "s", client.me, client.on_message, client.on_open, client.on_close)
        link.start()
        await asyncio.sleep(0.01)
        assert not link.send(CapacityChanged(1))
        listening = await serve(tmp_path / "s", server.make)
        await client.until(lambda: link.is_open)
        await server.until(lambda: bool(server.channels))
        server.channels[0].close()
        await client.until(lambda: client.closed == 1)
        assert not link.is_open
        await client.until(lambda: link.is_open)
        link.stop()
        listening.close()

    run(talk)


def test_only_a_socket_is_replaced(tmp_path: Path) -> None:
    """A file that is no socket stays where it is; a stale socket goes."""

    async def talk() -> None:
        party = Party("qmgr")
        plain = tmp_path / "plain"
        plain.write_text("mine")
        with pytest.raises(FileExistsError):
            await serve(plain, party.make)
        assert plain.read_text() == "mine"
        stale = socket.socket(socket.AF_UNIX)
        stale.bind(str(tmp_path / "s"))
        stale.close()
        (await serve(tmp_path / "s", party.make)).close()

    run(talk)


def test_requests_are_answered_once() -> None:
    """An answer, a late answer, silence and a lost peer each call back exactly once."""
    requests: Requests[str] = Requests(5.0)
    heard: list[str | None] = []
    first = requests.begin(0.0, heard.append)
    second = requests.begin(1.0, heard.append)
    requests.begin(2.0, heard.append)
    assert requests.finish(first, "yes") and not requests.finish(first, "again")
    assert requests.expire(5.9) == 0 and requests.expire(6.0) == 1
    assert not requests.finish(second, "late")
    assert requests.fail_all() == 1 and len(requests) == 0
    assert heard == ["yes", None, None]

"""A whole smtps in a thread, with a qmgr and a smar that do as they are told."""

from __future__ import annotations

import asyncio
import os
import select
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ports import free_port

from meta1 import maillog
from meta1.channel import Channel, serve
from meta1.config import parse_config
from meta1.messages import (
    AccessChecked,
    CheckAccess,
    ClientResolved,
    CommitTransaction,
    Hello,
    Message,
    QueueStateChanged,
    ResolveClient,
    TransactionCommitted,
    TransactionRefused,
    Verdict,
)
from meta1.program import Service
from meta1.queue.content_file import ContentFile
from meta1.queue.envelope import Envelope
from meta1.smtps import serve as serve_smtps

HOST = "mail.lab.example"


def allow_local(question: CheckAccess) -> AccessChecked:
    """Take mail for lab.example; relay for those who may."""
    client = question.client
    local = question.forward_path.rpartition("@")[2].lower() in ("", "lab.example", HOST)
    if question.stage != "RCPT" or local:
        return AccessChecked(question.request_id, Verdict.ACCEPT)
    if client.trusted or client.tls_verify == "OK":
        return AccessChecked(question.request_id, Verdict.RELAY)
    return AccessChecked(
        question.request_id, Verdict.REFUSE, 550, "5.7.1", "Relaying denied", "default"
    )


@dataclass
class Peer:
    """What both stand-ins have."""

    path: Path
    server: asyncio.AbstractServer | None = None
    channels: list[Channel] = field(default_factory=list)
    seen: list[Message] = field(default_factory=list)

    async def start(self) -> None:
        """Listen."""
        self.path.parent.mkdir(exist_ok=True)
        name = type(self).__name__.lower()
        self.server = await serve(
            self.path, lambda: Channel(Hello(name), self.on_message, self.on_open)
        )

    async def stop(self) -> None:
        """Close all connections and listen no more."""
        if self.server is not None:
            self.server.close()
        for channel in self.channels:
            channel.close()
        self.channels.clear()

    def on_open(self, channel: Channel, hello: Hello) -> None:
        """Note who connected."""
        self.channels.append(channel)

    def on_message(self, channel: Channel, message: Message) -> None:
        """Note what was said."""
        self.seen.append(message)


@dataclass
class Qmgr(Peer):
    """Keeps envelopes in memory; `refusal`, `silent` and `accepting` make it difficult."""

    envelopes: list[Envelope] = field(default_factory=list)
    refusal: tuple[int, str, str] | None = None
    silent: bool = False
    accepting: bool = True

    def on_open(self, channel: Channel, hello: Hello) -> None:
        """Say whether mail is taken."""
        super().on_open(channel, hello)
        channel.send(QueueStateChanged(self.accepting))

    def on_message(self, channel: Channel, message: Message) -> None:
        """Commit at once."""
        super().on_message(channel, message)
        if not isinstance(message, CommitTransaction) or self.silent:
            return
        if self.refusal is not None:
            channel.send(TransactionRefused(message.envelope.transaction_id, *self.refusal))
            return
        self.envelopes.append(message.envelope)
        channel.send(TransactionCommitted(message.envelope.transaction_id))

    def of(self, kind: type[Any]) -> list[Any]:
        """Pick the messages of a kind."""
        return [message for message in self.seen if isinstance(message, kind)]


@dataclass
class Smar(Peer):
    """Decides by `rule`; knows a name for everybody unless told otherwise."""

    rule: Callable[[CheckAccess], AccessChecked | None] = allow_local
    names: dict[str, tuple[str, str]] = field(default_factory=dict)

    def on_message(self, channel: Channel, message: Message) -> None:
        """Answer at once."""
        super().on_message(channel, message)
        if isinstance(message, ResolveClient):
            found = self.names.get(message.address, ("OK", "client.lab.example"))
            channel.send(ClientResolved(message.request_id, *found))
        elif isinstance(message, CheckAccess) and (answer := self.rule(message)) is not None:
            channel.send(answer)


class LogSink:
    """Keeps log lines."""

    def __init__(self) -> None:
        """Start empty."""
        self.lines: list[str] = []

    def write(self, severity: int, text: str) -> None:
        """Keep a line."""
        self.lines.append(text)

    def close(self) -> None:
        """Nothing to close."""


class Running:
    """smtps and its peers in a loop of their own."""

    def __init__(
        self,
        box: Path,
        options: str,
        loop_factory: Callable[[], Any] | None = None,
        peers: bool = True,
    ) -> None:
        """Start all; returns when smtps is ready."""
        self.box = box
        for name in ("cdb", "smtps"):
            (box / name).mkdir(exist_ok=True)
        self.port = free_port()
        self.config = parse_config(
            f'queue_directory = "{box}"; hostname = {HOST}; smtps {{\n'
            f"start_action = wait; log_level = 20;\n"
            f"listen_socket {{ address = 127.0.0.1; port = {self.port}; }}\n"
            f"{options}\n}}\n".encode()
        )
        self.qmgr = Qmgr(box / "qmgr" / "smtps.sock")
        self.smar = Smar(box / "smar" / "smar.sock")
        self.log = LogSink()
        self.error: BaseException | None = None
        self.pipe = os.pipe()
        self._factory = loop_factory
        self._has_peers = peers
        self.thread = threading.Thread(target=self._work)
        self.thread.start()
        readable, _, _ = select.select([self.pipe[0]], [], [], 10)
        assert readable and os.read(self.pipe[0], 64) == b"ready\n", self.error

    def _work(self) -> None:
        maillog._log.level, maillog._log.sink = 20, self.log  # type: ignore[assignment]
        try:
            with asyncio.Runner(loop_factory=self._factory) as runner:
                runner.run(self._main())
        except BaseException as error:
            self.error = error
            os.write(self.pipe[1], b"failed\n")

    async def _main(self) -> None:
        self.loop = asyncio.get_running_loop()
        if self._has_peers:
            await self.qmgr.start()
            await self.smar.start()
        section = self.config.smtps[0]
        self.service = Service(
            "smtps", self.config, section, 0, HOST, asyncio.Event(), self.pipe[1]
        )
        await serve_smtps(self.service)
        await self.qmgr.stop()
        await self.smar.stop()

    def call(self, work: Callable[[], Any]) -> Any:
        """Run a function in the loop."""

        async def run() -> Any:
            result = work()
            return await result if asyncio.iscoroutine(result) else result

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(60)

    def stop(self) -> None:
        """Stop in order."""
        if self.thread.is_alive():
            self.loop.call_soon_threadsafe(self.service.stopping.set)
        self.thread.join(20)
        assert not self.thread.is_alive()

    def content(self, number: int = -1) -> bytes:
        """Read the content of a mail that qmgr got."""
        content = self.qmgr.envelopes[number].content
        file = ContentFile(self.box, content)
        try:
            assert file.is_intact()
            return file.read(0, content.length)
        finally:
            file.close()

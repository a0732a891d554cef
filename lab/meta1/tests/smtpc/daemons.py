"""smar, qmgr and smtpc as real processes, with a test in the part of smtps and of the world."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

from meta1.link import Link
from meta1.messages import (
    CommitTransaction,
    Hello,
    Message,
    RemoveSegment,
    SealSegment,
    TransactionCommitted,
    TransactionRefused,
)
from meta1.queue.content_file import HEADER, MAGIC
from meta1.queue.envelope import Content, Envelope, Recipient

SOURCE = Path(__file__).parents[2] / "src"
CONFIG = """
queue_directory = "{spool}";
hostname = "mail.own.test";
smtpc {{ LMTP_socket = "{spool}/lmtp"; port = {port}; log_level = 20; idle_timeout = 2; }}
qmgr {{ log_level = 20; min_retry = 1; max_retry = 2; min_free_space = 0; {qmgr} }}
smar {{ log_level = 20; nameserver = 127.0.0.1; nameserver_port = {dns}; DNS_timeout = 1;
       local_domains = {{ local.test }}; {smar} }}
"""


class Daemons:
    """The three processes and their spool."""

    def __init__(
        self, directory: Path, *, dns: int = 9, port: int = 25, qmgr: str = "", smar: str = ""
    ) -> None:
        """Write a configuration; `start` begins."""
        self.spool = directory / "spool"
        for name in ("", "cdb", "ibdb", "defedb", "qmgr", "smar"):
            (self.spool / name).mkdir(mode=0o700)
        self.config = directory / "meta1.conf"
        self.config.write_text(
            CONFIG.format(spool=self.spool, dns=dns, port=port, qmgr=qmgr, smar=smar)
        )
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.log = directory / "log"

    async def start(self, *names: str) -> None:
        """Start processes and wait until each is ready."""
        for name in names or ("smar", "qmgr", "smtpc"):
            read, write = os.pipe()
            environment = {
                **os.environ, "PYTHONPATH": str(SOURCE), "META1_READY_FD": str(write),
            }  # fmt: skip
            with self.log.open("ab") as log:
                self.processes[name] = subprocess.Popen(
                    [sys.executable, "-m", f"meta1.{name}", "-f", str(self.config)],
                    pass_fds=(write,), env=environment, stderr=log, stdout=log,
                )  # fmt: skip
            os.close(write)
            word = await asyncio.to_thread(os.read, read, 100)
            os.close(read)
            assert word == b"ready\n", f"{name} did not start: {self.log.read_text()[-2000:]}"

    def kill(self, name: str) -> None:
        """Kill one at once."""
        self.processes[name].kill()
        self.processes.pop(name).wait()

    def end(self, name: str) -> None:
        """End one in good order."""
        process = self.processes.pop(name)
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0, self.log.read_text()[-3000:]

    def stop(self) -> None:
        """End all in good order."""
        for name in ("smtpc", "qmgr", "smar"):
            if name in self.processes:
                self.end(name)

    def abandon(self) -> None:
        """End all, whatever state they are in."""
        for name in list(self.processes):
            self.kill(name)


class Smtps:
    """What smtps does towards qmgr."""

    def __init__(self, spool: Path) -> None:
        """Write into this spool."""
        self.spool = spool
        self.committed: set[str] = set()
        self.refused: list[TransactionRefused] = []
        self.removed: list[str] = []
        self.changed = asyncio.Event()
        self.count = 0
        self.link = Link(
            spool / "qmgr/smtps.sock", Hello("smtps"), self._heard, lambda channel, hello: None
        )

    def _heard(self, channel: object, message: Message) -> None:
        """Note an answer."""
        if isinstance(message, TransactionCommitted):
            self.committed.add(message.transaction_id)
        elif isinstance(message, TransactionRefused):
            self.refused.append(message)
        elif isinstance(message, RemoveSegment):
            self.removed.append(message.path)
            (self.spool / message.path).unlink()
        self.changed.set()

    async def until(self, condition: Callable[[], bool], seconds: float = 60.0) -> None:
        """Wait for answers."""
        async with asyncio.timeout(seconds):
            while not condition():
                self.changed.clear()
                try:
                    await asyncio.wait_for(self.changed.wait(), 0.1)
                except TimeoutError:
                    continue

    def submit(self, *recipients: str, sender: str = "a@far.test", body: bytes = b"body") -> str:
        """Store content and hand the envelope to qmgr; give the id."""
        self.count += 1
        name = f"S{self.count:016X}00"
        content = b"Subject: " + name.encode() + b"\r\n\r\n" + body + b"\r\n"
        path = f"cdb/00-{self.count:010d}"
        record = HEADER.pack(MAGIC, len(content), zlib.crc32(content)) + content
        (self.spool / path).write_bytes(record)
        place = Content(path, HEADER.size, len(content), 13 + len(name))
        people = tuple(Recipient(one) for one in recipients)
        assert self.link.send(CommitTransaction(Envelope(name, sender, people, place)))
        self.link.send(SealSegment(path))
        return name

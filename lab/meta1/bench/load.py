"""Load and destinations: Postfix's smtp-source sends, its smtp-sink takes, or a real Cyrus does."""

from __future__ import annotations

import atexit
import os
import re
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from servers import SINKS, Server
from usage import Peak, cpu_of, cpu_of_all

PATIENCE = 400.0
"""Seconds until messages that were accepted count as lost."""
TAIL = 0.7
"""Seconds for what a server does after the delivery, such as removing a queue file: it counts."""


class Destination(Protocol):
    """Where mail arrives."""

    def wait(self, count: int) -> None:
        """Until so many more messages than at the last `mark` are there. Raises `TimeoutError`."""

    def mark(self) -> None:
        """Count from here."""

    def close(self) -> None:
        """Take no more."""


class Sink:
    """An smtp-sink on a UNIX socket that speaks LMTP, takes everything and counts."""

    def __init__(self, path: str) -> None:
        SINKS.mkdir(exist_ok=True)
        Path(path).unlink(missing_ok=True)
        self._process = subprocess.Popen(
            ["smtp-sink", "-u", "nobody", "-L", "-c", f"unix:{path}", "200"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        atexit.register(self._process.kill)  # it would keep our caller waiting for its output
        self._count = self._marked = 0
        self._changed = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()
        while not Path(path).exists():
            time.sleep(0.01)
        Path(path).chmod(0o777)

    def _read(self) -> None:
        assert self._process.stdout is not None
        while said := os.read(self._process.stdout.fileno(), 65536):
            if found := re.findall(rb"mesg=\s*(\d+)", said):
                with self._changed:
                    self._count = int(found[-1])
                    self._changed.notify_all()

    def mark(self) -> None:
        """See Destination."""
        self._marked = self._count

    def wait(self, count: int) -> None:
        """See Destination."""
        wanted = self._marked + count
        with self._changed:
            if not self._changed.wait_for(lambda: self._count >= wanted, PATIENCE):
                raise TimeoutError(f"{wanted - self._count} messages were not delivered")

    def close(self) -> None:
        """See Destination."""
        self._process.terminate()
        self._process.wait()


class Cyrus:
    """Alice's mailbox: a message has arrived when its file is there."""

    def __init__(self) -> None:
        subprocess.run(["systemctl", "start", "cyrus-imapd"], check=True)
        command = ["runuser", "-u", "cyrus", "--", "/usr/lib/cyrus/bin/mbpath", "user/alice"]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        self._folder = Path(done.stdout.strip())
        self._marked = 0

    def _count(self) -> int:
        return sum(name.endswith(".") for name in os.listdir(self._folder))

    def mark(self) -> None:
        """See Destination."""
        self._marked = self._count()

    def wait(self, count: int) -> None:
        """See Destination."""
        deadline = time.monotonic() + PATIENCE
        while (arrived := self._count() - self._marked) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{count - arrived} messages were not delivered")
            time.sleep(0.02)

    def close(self) -> None:
        """See Destination: it stays as it is."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One kind of load; with `reuse` a connection carries many messages."""

    sessions: int
    octets: int
    reuse: bool

    def messages(self, scale: float) -> int:
        """How many: so that Postfix is busy for some four seconds at scale 1."""
        small = {1024: 2600, 10240: 2200, 102400: 1500}.get(self.octets, 1500)
        share = 0.7 if self.sessions == 1 else 1.0
        return max(self.sessions * 2, int(small * share * scale))


@dataclass(frozen=True, slots=True)
class Burst:
    """Messages a second, CPU seconds per 1000, MiB, and the share of the processors others had."""

    messages: int
    accepted: float
    delivered: float
    cpu: float
    memory: float
    others: float


def send(server: Server, sessions: int, messages: int, octets: int, reuse: bool) -> None:
    """Have smtp-source send. Raises `CalledProcessError` if anything was refused."""
    mail = ["-l", str(octets), "-f", "carol@partner.example", "-t", "alice@lab.example"]
    size = ["-s", str(sessions), "-m", str(messages), *["-d"] * reuse]
    command = ["smtp-source", *size, *mail, f"inet:127.0.0.1:{server.port}"]
    subprocess.run(command, check=True, timeout=PATIENCE)


def burst(server: Server, into: Destination, cell: Cell, scale: float) -> Burst:
    """Send the messages of one cell and wait until all have arrived."""
    messages, top = cell.messages(scale), server.top
    into.mark()
    before = cpu_of(top), cpu_of(1), cpu_of_all()
    with Peak(top) as memory:
        began = time.monotonic()
        send(server, cell.sessions, messages, cell.octets, cell.reuse)
        accepted = time.monotonic() - began
        into.wait(messages)
        seconds = time.monotonic() - began
        time.sleep(TAIL)
    after = cpu_of(top), cpu_of(1), cpu_of_all()
    mine, ours, whole = (now - then for now, then in zip(after, before, strict=True))
    others = (whole - ours) / (time.monotonic() - began) / (os.cpu_count() or 1)
    return Burst(
        messages, messages / accepted, messages / seconds, mine / messages * 1000, memory.value,
        max(0.0, others),
    )  # fmt: skip

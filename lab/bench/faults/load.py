"""Senders on this host: they go on whatever happens to the machine, and keep what they were told here."""

from __future__ import annotations

import hashlib
import random
import re
import smtplib
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import paramiko

from lab.bench.faults.ledger import Sent, Told
from lab.errors import LabError

Dial = Callable[[int], paramiko.Channel]
SENDERS = 6
ON_ONE_CONNECTION = 5
PACE = 0.04
"""Seconds between two messages of a sender: load enough to hit each step, and Cyrus keeps up."""
SENDER = "alice@lab.example"
"""Who gets the reports."""
SIZES = (100, 1_000, 1_000, 1_000, 10_000, 1_000, 1_000, 1_000, 300, 50_000)
DIGEST = "X-Digest"
HEADER = "Subject: {token}\r\nFrom: {sender}\r\nTo: {to}\r\n{digest}: {sum}\r\n\r\n"
TRANSACTION = re.compile(rb"S[0-9A-F]{18}")
TROUBLES = (smtplib.SMTPException, OSError, EOFError, paramiko.SSHException, LabError)


class _Client(smtplib.SMTP):
    """SMTP through the lab's connection: nothing of the sender is on the machine."""

    def __init__(self, dial: Dial, timeout: float) -> None:
        self._dial = dial
        super().__init__("machine", 25, "load.lab.example", timeout)

    def _get_socket(self, host: str, port: int, timeout: float) -> Any:
        channel = self._dial(port)
        channel.settimeout(timeout)
        return channel


class Load:
    """Messages to one of `to` each, with tokens that begin with `label`. Sizes and pauses follow from the seed."""

    def __init__(
        self,
        dial: Dial,
        label: str,
        to: Sequence[str],
        seed: int,
        senders: int = SENDERS,
        pace: float = PACE,
    ) -> None:
        self._dial, self._to, self._pace = dial, to, pace
        self.label = label
        self.sent: list[Sent] = []
        self.taken = 0
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._threads = [
            threading.Thread(
                target=self._run,
                args=(f"{label}-{number}", random.Random(f"{seed} {label} {number}")),
                daemon=True,
            )
            for number in range(senders)
        ]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Send no more; what is under way comes to its end."""
        self._over.set()
        for thread in self._threads:
            thread.join(TIMEOUT + 10)

    def wait(self, seconds: float) -> None:
        """Let it go on."""
        self._over.wait(seconds)

    def since(self, moment: float) -> int:
        """Count the messages that were begun after a moment and taken."""
        with self._lock:
            recent = self.sent[-500:]
        return sum(each.began >= moment and each.told is Told.TAKEN for each in recent)

    def _run(self, label: str, chance: random.Random) -> None:
        """One connection after the other, each with a few messages."""
        count = 0
        while not self._over.is_set():
            with suppress(*TROUBLES), _Client(self._dial, TIMEOUT) as client:
                for _ in range(ON_ONE_CONNECTION):
                    if self._over.is_set():
                        break
                    count += 1
                    self._note(client, f"{label}-{count}", chance)
                    self._over.wait(self._pace * chance.uniform(0.5, 1.5))
            self._over.wait(self._pace)

    def _note(self, client: smtplib.SMTP, token: str, chance: random.Random) -> None:
        """Send one message and note what was said; a broken connection is raised again."""
        began, told, transaction = time.time(), Told.NOTHING, ""
        try:
            to = chance.choice(self._to)
            code, text = _send(client, to, message(token, to, chance))
            told = Told.TAKEN if code == 250 else Told.REFUSED
            found = TRANSACTION.search(text)
            transaction = found[0].decode() if found else ""
        finally:
            with self._lock:
                self.sent.append(Sent(token, told, began, time.time(), transaction))
                self.taken += told is Told.TAKEN


TIMEOUT = 30.0
"""Seconds that a sender waits for an answer."""


def message(token: str, to: str, chance: random.Random) -> bytes:
    """A message that can be told from all others, with a digest of its body in the header."""
    size = chance.choice(SIZES)
    line = f"{chance.getrandbits(256):064x}\r\n"
    body = (line * (size // len(line) + 1)).encode()
    head = HEADER.format(
        token=token, sender=SENDER, to=to, digest=DIGEST, sum=hashlib.sha256(body).hexdigest()
    )
    return head.encode() + body


def _send(client: smtplib.SMTP, to: str, data: bytes) -> tuple[int, bytes]:
    """One transaction up to the reply that ends it, good or bad."""
    client.ehlo_or_helo_if_needed()
    code, text = client.mail(SENDER)
    if code == 250:
        code, text = client.rcpt(to)
    if code != 250:
        client.rset()
        return code, text
    try:
        return client.data(data)
    except smtplib.SMTPDataError as error:
        said = error.smtp_error
        return error.smtp_code, said if isinstance(said, bytes) else said.encode()

"""On the machine, as root: send mail from several threads, kill -9 a process meanwhile, keep a ledger of every 250.

kills.py NAME NUMBER: which process, and how often. Prints one JSON object; `taken` has the subjects.
"""

from __future__ import annotations

import json
import os
import random
import signal
import smtplib
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

PIDFILE = Path("/run/meta1/mcp.pid")
NAMES = ("smtps", "smtpc", "qmgr", "smar", "mcp")
SENDERS = 6
PACE = 0.05
"""Seconds between two messages of a sender: load enough to hit each step, and Cyrus keeps up."""
BODY = "x" * 60
PATIENCE = 60.0


class Load:
    """Senders that go on whatever happens, and note what the server has taken."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.taken: list[str] = []
        self.outcomes: Counter[str] = Counter()
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.send, args=(n,)) for n in range(SENDERS)]

    def send(self, number: int) -> None:
        """One message after the other; several on a connection while it lasts."""
        count = 0
        while not self.over.is_set():
            try:
                with smtplib.SMTP("127.0.0.1", 25, "load.lab.example", timeout=30) as client:
                    for _ in range(5):
                        count += 1
                        self.one(client, f"kill-{self.label}-{number}-{count}")
                        self.over.wait(PACE)
            except (smtplib.SMTPException, OSError) as error:
                self.outcomes[type(error).__name__] += 1
                self.over.wait(PACE)

    def one(self, client: smtplib.SMTP, subject: str) -> None:
        """One message; its subject is in the ledger only after 250."""
        text = f"Subject: {subject}\r\nTo: alice@lab.example\r\n\r\n{BODY}\r\n"
        client.sendmail("load@lab.example", ["alice@lab.example"], text)
        self.taken.append(subject)


def processes() -> dict[str, int]:
    """The process ids of all that are up."""
    try:
        rows = [line.split() for line in Path(f"{PIDFILE}.modules").read_text().splitlines()]
        return {"mcp": int(PIDFILE.read_text())} | {
            row[0]: int(row[1]) for row in rows if len(row) == 4 and row[3] == "up"
        }
    except (FileNotFoundError, ValueError):
        return {}


def until(what: Callable[[], object], say: str) -> None:
    """Look until it is so; a machine that never gets there ends the whole run."""
    deadline = time.monotonic() + PATIENCE
    while not what():
        if time.monotonic() > deadline:
            raise SystemExit(f"{say} did not come about: {processes()}")
        time.sleep(0.02)


def kill(name: str, load: Load) -> float:
    """Kill one process in the middle of the traffic; seconds until mail is taken again."""
    before, already = processes(), len(load.taken)
    until(lambda: len(load.taken) > already + 2, f"traffic before a kill of {name}")
    time.sleep(random.uniform(0, 0.1))
    os.kill(before[name], signal.SIGKILL)
    began, already = time.monotonic(), len(load.taken)
    if name == "mcp":
        subprocess.run(["/usr/local/sbin/mcp.sh", "start"], check=True, stdout=subprocess.DEVNULL)
    until(
        lambda: len(now := processes()) == len(NAMES) and now[name] != before[name],
        f"a new {name}",
    )
    until(lambda: len(load.taken) > already, f"mail after a kill of {name}")
    return time.monotonic() - began


def main(name: str, number: int) -> None:
    """Kill it that often, then stop the traffic and tell what it was."""
    load = Load(name)
    for thread in load.threads:
        thread.start()
    try:
        seconds = [kill(name, load) for _ in range(number)]
    finally:
        load.over.set()
        for thread in load.threads:
            thread.join()
    print(json.dumps({"taken": load.taken, "outcomes": load.outcomes, "seconds": seconds}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))

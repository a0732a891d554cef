"""On the machine, as root: a destination that misbehaves as it is told, and keeps an honest ledger.

destination.py SOCKET ADDRESS FOLDER LEDGER: LMTP on the UNIX socket, SMTP on port 25 of the address. FOLDER/mode
says what to do, as JSON: {"phase": ..., "action": ..., "share": 0.0 to 1.0}; an empty object is good behaviour. It is
read again at each step. LEDGER has a line for each message that was, or may have been, acknowledged: a line is on the
disk before the answer is sent.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import socket
import socketserver
import sys
import threading
import time
from pathlib import Path

# Where it may happen: before the greeting, in it, at each command, in the middle of the content, after the final dot
# but before the message is taken, and when it is taken but not yet answered.
PHASES = ("connect", "greeting", "hello", "mail", "rcpt", "data", "content", "dot", "reply")
LONG = 60.0
SLOW = 1.5


class Gone(Exception):
    """The connection is to be dropped."""


class Misbehaviour:
    """What is wrong at the moment."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "mode"

    def at(self, phase: str) -> str:
        """The action for this step, empty for none."""
        try:
            mode = json.loads(self._path.read_text() or "{}")
        except (OSError, ValueError):
            return ""
        unlucky = mode.get("phase") == phase and random.random() < mode.get("share", 1.0)
        return str(mode["action"]) if unlucky else ""

    def wait(self, phase: str, seconds: float) -> None:
        """Wait, but not longer than the misbehaviour lasts."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.at(phase):
            time.sleep(0.05)


class Ledger:
    """A file with a line for each message, synced before anybody is told."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def note(self, protocol: str, content: bytes) -> None:
        """Write down whose message it is and whether its body is what its header says."""
        head, _, body = content.partition(b"\r\n\r\n")
        token = field(head, b"Subject")
        digest = field(head, b"X-Digest")
        good = not digest or hashlib.sha256(body).hexdigest() == digest
        about = field(content[len(head) :], b"Subject") if not digest else ""
        line = json.dumps([time.time(), protocol, token, "whole" if good else "damaged", about])
        os.write(self._file, f"{line}\n".encode())
        os.fdatasync(self._file)


def field(text: bytes, name: bytes) -> str:
    """A field of a header."""
    found = re.search(rb"^" + name + rb": (.*?)\r?$", text, re.MULTILINE | re.IGNORECASE)
    return found[1].decode("ascii", "replace") if found else ""


class Session(socketserver.StreamRequestHandler):
    """One connection."""

    server: Server | UnixServer

    def handle(self) -> None:
        """Talk until the end, whoever makes it."""
        self.rcpts = 0
        try:
            self.step("connect")
            self.greet()
            while line := self.rfile.readline(4096):
                if not self.command(line.decode("latin-1").strip()):
                    return
        except (Gone, OSError):
            self.abort()

    def abort(self) -> None:
        """Drop the connection by a reset, so that nobody takes it for an end in order."""
        with_linger = (1).to_bytes(4, sys.byteorder) + (0).to_bytes(4, sys.byteorder)
        if self.request.family != socket.AF_UNIX:
            self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, with_linger)

    def step(self, phase: str) -> bool:
        """Misbehave if it is time to; True if the command is to be refused."""
        wrong = self.server.wrong
        match wrong.at(phase):
            case "drop":
                raise Gone
            case "hang":
                wrong.wait(phase, LONG)
                raise Gone
            case "slow":
                wrong.wait(phase, SLOW)
            case "refuse":
                return True
        return False

    def say(self, line: str) -> None:
        """Send a reply."""
        self.wfile.write(f"{line}\r\n".encode())

    def greet(self) -> None:
        """Greet, perhaps only by half."""
        if self.server.wrong.at("greeting") in ("hang", "drop"):
            self.wfile.write(b"22")
        if self.step("greeting"):
            self.say("421 4.3.2 not now")
            raise Gone
        self.say("220 destination ready")

    def command(self, line: str) -> bool:
        """Answer a command; False ends the session."""
        verb = line.split(" ", 1)[0].upper().split(":")[0]
        phase = {"EHLO": "hello", "LHLO": "hello", "HELO": "hello", "MAIL": "mail"}.get(
            verb, verb.lower()
        )
        if phase in PHASES and self.step(phase):
            self.say("451 4.3.2 not now")
            return True
        match verb:
            case "EHLO" | "LHLO":
                self.say(
                    "250-destination\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES"
                )
            case "RCPT":
                self.rcpts += 1
                self.say("250 2.1.5 ok")
            case "DATA" if self.rcpts:
                self.say("354 go on")
                self.content()
            case "DATA":
                self.say("503 5.5.1 no recipients")
            case "QUIT":
                self.say("221 2.0.0 bye")
                return False
            case "MAIL" | "RSET" | "HELO" | "NOOP":
                self.rcpts = 0
                self.say("250 2.0.0 ok")
            case _:
                self.say("500 5.5.1 what")
        return True

    def content(self) -> None:
        """Read up to the dot, take it, say so."""
        lines: list[bytes] = []
        while (line := self.rfile.readline(65536)) != b".\r\n":
            if not line:
                raise Gone
            lines.append(line[1:] if line.startswith(b".") else line)
            if len(lines) == 8:
                self.step("content")
        refused = self.step("dot")
        protocol = "lmtp" if self.request.family == socket.AF_UNIX else "smtp"
        if not refused:
            self.server.ledger.note(protocol, b"".join(lines))
            self.step("reply")
        word = "451 4.3.2 not now" if refused else "250 2.0.0 taken"
        for _ in range(self.rcpts if protocol == "lmtp" else 1):
            self.say(word)
        self.rcpts = 0


class Server(socketserver.ThreadingTCPServer):
    """SMTP."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 200
    wrong: Misbehaviour
    ledger: Ledger


class UnixServer(socketserver.ThreadingUnixStreamServer):
    """LMTP."""

    daemon_threads = True
    request_queue_size = 200
    wrong: Misbehaviour
    ledger: Ledger


def main(path: str, address: str, folder: str, taken: str) -> None:
    """Serve both until ended."""
    Path(path).unlink(missing_ok=True)
    wrong, ledger = Misbehaviour(Path(folder)), Ledger(Path(taken))
    servers: tuple[Server | UnixServer, ...] = (
        UnixServer(path, Session),
        Server((address, 25), Session),
    )
    Path(path).chmod(0o777)
    threads = []
    for server in servers:
        server.wrong, server.ledger = wrong, ledger
        threads.append(threading.Thread(target=server.serve_forever))
        threads[-1].start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main(*sys.argv[1:5])

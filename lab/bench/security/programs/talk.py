"""On the machine: talk with ports byte by byte as told, many sessions at once; print what was said back, as JSON.

Reads [{"to": [host, port], "from": address, "steps": [[what, argument, ...], ...]}, ...] from standard input:

    say TEXT            send these bytes (latin-1)
    drip TEXT [SECONDS] the same, each byte in a segment of its own, with a pause behind it
    repeat TEXT NUMBER  send them that often, until the other side stops taking them
    reply               wait for one reply, all of its lines
    rest SECONDS        wait for the end of the connection, or for so long a silence
    tls [CERT KEY]      shake hands, with a certificate or without
    plain AUTHZID USER SECRET        AUTH PLAIN; a secret `@alice` is the text of ~lab/secrets/alice
    cram USER SECRET    AUTH CRAM-MD5
    stale USER SECRET   the same, with the answer to an older challenge
    pause SECONDS       say nothing

Prints for each session [[what was said, seconds], ...], a pair for each step but say and pause.
"""

from __future__ import annotations

import base64
import contextlib
import hmac
import json
import socket
import ssl
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

PATIENCE = 25.0
SECRETS = Path("/home/lab/secrets")
AT_ONCE = 64


class Session:
    """One connection, and what came of each step."""

    def __init__(self, wanted: dict[str, Any]) -> None:
        host, port = wanted.get("to", ["127.0.0.1", 25])
        source = (wanted.get("from", "127.0.0.9"), 0)
        self.socket = socket.create_connection((host, port), PATIENCE, source)
        self.data = b""

    def receive(self) -> bool:
        """Take what comes; False at the end of the connection."""
        try:
            data = self.socket.recv(65536)
        except TimeoutError:
            raise
        except OSError:
            data = b""
        self.data += data
        return bool(data)

    def say(self, text: str) -> None:
        """Send bytes."""
        with contextlib.suppress(OSError):
            self.socket.sendall(text.encode("latin-1"))

    def drip(self, text: str, pause: float = 0.001) -> None:
        """Send byte by byte."""
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for letter in text:
            self.say(letter)
            time.sleep(pause)

    def repeat(self, text: str, number: int) -> str:
        """Send bytes many times; how many were taken."""
        data, sent = text.encode("latin-1"), 0
        try:
            for _ in range(number):
                self.socket.sendall(data)
                sent += len(data)
        except OSError as error:
            return f"{sent} {type(error).__name__}"
        return str(sent)

    def reply(self) -> str:
        """One reply without its last line end; what is not a whole one is given as it is."""
        lines: list[bytes] = []
        while True:
            while (end := self.data.find(b"\n")) < 0:
                if not self.receive():
                    left, self.data = self.data, b""
                    return text(b"\n".join([*lines, left])) + "(closed)"
            line, self.data = self.data[:end].rstrip(b"\r"), self.data[end + 1 :]
            lines.append(line)
            if line[3:4] != b"-":
                return text(b"\n".join(lines))

    def rest(self, seconds: float) -> str:
        """All that comes until the end, or until nothing has come for so long."""
        self.socket.settimeout(seconds)
        try:
            while self.receive():
                pass
            end = "(closed)"
        except TimeoutError:
            end = "(silent)"
        finally:
            self.socket.settimeout(PATIENCE)
        found, self.data = self.data, b""
        return text(found) + end

    def tls(self, *pair: str) -> str:
        """Shake hands; the version that is spoken then."""
        context = ssl.create_default_context(cafile="/etc/meta1/CA/cacert.pem")
        if pair:
            context.load_cert_chain(*pair)
        left, self.data = self.data, b""
        try:
            secure = context.wrap_socket(self.socket, server_hostname="mail.lab.example")
        except OSError as error:
            return f"{text(left)}no TLS: {type(error).__name__}"
        self.socket = secure
        return f"{text(left)}{secure.version()}"

    def plain(self, authzid: str, user: str, secret: str) -> str:
        """AUTH PLAIN with an initial response."""
        data = f"{authzid}\0{user}\0{known(secret)}".encode()
        self.say(f"AUTH PLAIN {base64.b64encode(data).decode()}\r\n")
        return self.reply()

    def cram(self, user: str, secret: str) -> str:
        """AUTH CRAM-MD5 (RFC 2195)."""
        said, answer = self.challenged(user, secret)
        if answer:
            self.say(f"{answer}\r\n")
            said = self.reply()
        return said

    def stale(self, user: str, secret: str) -> str:
        """The right answer to one challenge, given to the next."""
        _, answer = self.challenged(user, secret)
        self.say("*\r\n")
        self.reply()
        self.challenged(user, secret)
        self.say(f"{answer}\r\n")
        return self.reply()

    def challenged(self, user: str, secret: str) -> tuple[str, str]:
        """Ask for a challenge: the reply, and the right answer to it."""
        self.say("AUTH CRAM-MD5\r\n")
        said = self.reply()
        if not said.startswith("334 "):
            return said, ""
        digest = hmac.new(known(secret).encode(), base64.b64decode(said[4:]), "md5").hexdigest()
        return said, base64.b64encode(f"{user} {digest}".encode()).decode()

    def pause(self, seconds: float) -> None:
        """Say nothing."""
        time.sleep(seconds)


def text(data: bytes) -> str:
    """Bytes as JSON carries them."""
    return data.decode("latin-1")


def known(secret: str) -> str:
    """A password by the name of its user, or as it is."""
    return (SECRETS / secret[1:]).read_text() if secret.startswith("@") else secret


def run(wanted: dict[str, Any]) -> list[tuple[str, float]]:
    """One session, step by step; an error of the network is an answer, too."""
    found: list[tuple[str, float]] = []
    try:
        session = Session(wanted)
    except OSError as error:
        return [(f"(no connection: {type(error).__name__})", 0.0)]
    with contextlib.closing(session.socket):
        for name, *arguments in wanted["steps"]:
            began = time.monotonic()
            step: Callable[..., str | None] = getattr(session, name)
            try:
                said = step(*arguments)
            except TimeoutError:
                said = text(session.data) + "(no answer)"
            except OSError:  # a handshake that failed has closed the socket
                said = "(closed)"
            if said is not None:
                found.append((said, round(time.monotonic() - began, 2)))
    return found


if __name__ == "__main__":
    with ThreadPoolExecutor(AT_ONCE) as pool:
        print(json.dumps(list(pool.map(run, json.load(sys.stdin)))))

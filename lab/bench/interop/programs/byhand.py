"""On the machine: two talks with MeTA1 that no program of Debian has, on a socket. Prints the replies as JSON.

Usage: byhand.py bdat FILE            a client that sends BDAT though CHUNKING is not offered, then mail by DATA
       byhand.py thunderbird FILE     what Thunderbird says, in its order: STARTTLS, AUTH, BODY and SIZE, all waited for
"""

from __future__ import annotations

import base64
import hmac
import json
import socket
import ssl
import sys
from pathlib import Path

SERVER = "mail.lab.example"
CA = "/etc/meta1/CA/cacert.pem"
TO = b"RCPT TO:<alice@lab.example>"


class Talk:
    """One session; `said` gathers each reply's last line."""

    def __init__(self) -> None:
        self.socket: socket.socket = socket.create_connection((SERVER, 25), timeout=30)
        self.said: list[str] = []
        self.file = self.socket.makefile("rb")
        self.reply()

    def reply(self) -> str:
        """Read one reply."""
        while (line := self.file.readline().decode("ascii").rstrip())[3:4] == "-":
            pass
        self.said.append(line)
        return line

    def say(self, line: bytes) -> str:
        """Send a line, read the reply."""
        self.socket.sendall(line + b"\r\n")
        return self.reply()

    def start_tls(self) -> None:
        """Go over to TLS, the server's name verified."""
        self.say(b"STARTTLS")
        context = ssl.create_default_context(cafile=CA)
        self.socket = context.wrap_socket(self.socket, server_hostname=SERVER)
        self.file = self.socket.makefile("rb")

    def authenticate(self) -> None:
        """CRAM-MD5 as Alice."""
        challenge = base64.b64decode(self.say(b"AUTH CRAM-MD5").split()[1])
        secret = Path("/home/lab/secrets/alice").read_bytes()
        answer = f"alice {hmac.new(secret, challenge, 'md5').hexdigest()}".encode()
        self.say(base64.b64encode(answer))

    def content(self, data: bytes) -> None:
        """DATA, the message, the dot."""
        self.say(b"DATA")
        self.socket.sendall(data)
        self.say(b".")


def bdat(data: bytes) -> list[str]:
    """Insist on BDAT; then be good."""
    talk = Talk()
    for line in (b"EHLO client.example", b"MAIL FROM:<alice@lab.example>", TO, b"BDAT 12 LAST"):
        talk.say(line)
    talk.say(
        b"Subject: no"
    )  # the chunk, which a server without CHUNKING can only take for a command
    for line in (b"RSET", b"MAIL FROM:<alice@lab.example>", TO):
        talk.say(line)
    talk.content(data)
    talk.say(b"QUIT")
    return talk.said


def thunderbird(data: bytes) -> list[str]:
    """As it sends a letter."""
    talk = Talk()
    talk.say(b"EHLO [127.0.0.1]")
    talk.start_tls()
    talk.say(b"EHLO [127.0.0.1]")
    talk.authenticate()
    talk.say(b"MAIL FROM:<alice@lab.example> BODY=8BITMIME SIZE=%d" % len(data))
    talk.say(TO)
    talk.content(data)
    talk.say(b"QUIT")
    return talk.said


if __name__ == "__main__":
    print(
        json.dumps(
            {"bdat": bdat, "thunderbird": thunderbird}[sys.argv[1]](Path(sys.argv[2]).read_bytes())
        )
    )

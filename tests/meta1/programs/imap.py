"""On the machine, as lab: read by IMAP, inside TLS, the messages of a user that have a subject; print them as JSON."""

from __future__ import annotations

import imaplib
import json
import ssl
import sys
from pathlib import Path


def read(user: str, subject: str) -> list[str]:
    """Log in as the user, find, fetch."""
    context = ssl.create_default_context(cafile="/etc/meta1/CA/cacert.pem")
    with imaplib.IMAP4_SSL("mail.lab.example", ssl_context=context, timeout=20) as server:
        server.login(user, (Path.home() / "secrets" / user).read_text())
        server.select("INBOX", readonly=True)
        numbers = server.search(None, "HEADER", "Subject", f'"{subject}"')[1][0].split()
        return [text(server, number.decode()) for number in numbers]


def text(server: imaplib.IMAP4_SSL, number: str) -> str:
    """One message, whole."""
    part = server.fetch(number, "(BODY.PEEK[])")[1][0]
    assert isinstance(part, tuple)
    return part[1].decode()


if __name__ == "__main__":
    print(json.dumps(read(*sys.argv[1:])))

"""On the machine, as lab: ask the server about each recipient, as each kind of client; print the replies as JSON.

Reads {"clients": [...], "auth": [...], "certificates": [...], "recipients": [...]} from standard input. Prints a list
of [client, auth, certificate, recipient, code, enhanced status code].
"""

from __future__ import annotations

import itertools
import json
import smtplib
import ssl
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HOST = "mail.lab.example"
HOME = Path.home()


def sessions(wanted: dict[str, list[str]]) -> Iterator[list[object]]:
    """One session for each kind of client; it asks about all recipients."""
    kinds = list(itertools.product(wanted["clients"], wanted["auth"], wanted["certificates"]))
    # Side by side: after a wrong password the server takes its time.
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda kind: list(answers(kind, wanted["recipients"])), kinds)
    for kind, replies in zip(kinds, found, strict=True):
        for recipient, (code, text) in replies:
            yield [*kind, recipient, code, text.decode().split(" ", 1)[0]]


def answers(
    kind: tuple[str, str, str], recipients: list[str]
) -> Iterator[tuple[str, tuple[int, bytes]]]:
    """What the server says to RCPT, or to what it refuses before."""
    client, auth, certificate = kind
    try:
        server = smtplib.SMTP(
            HOST, 25, "client.lab.example", timeout=20, source_address=(client, 0)
        )
    except smtplib.SMTPConnectError as error:
        greeting = error.smtp_error
        text = greeting if isinstance(greeting, bytes) else str(greeting).encode()
        yield from ((each, (int(error.smtp_code), text)) for each in recipients)
        return
    with server:
        prepare(server, auth, certificate)
        for each in recipients:
            server.mail("someone@elsewhere.example")
            yield each, server.rcpt(each)
            server.rset()


def prepare(server: smtplib.SMTP, auth: str, certificate: str) -> None:
    """STARTTLS with the certificate and AUTH, where wanted."""
    server.ehlo()
    if certificate != "clear":
        server.starttls(context=context(certificate))
        server.ehlo()
    if auth != "none":
        secret = (HOME / "secrets" / "alice").read_text()
        server.user, server.password = "alice", secret if auth == "good" else f"{secret}!"
        try:
            server.auth("CRAM-MD5", server.auth_cram_md5)
        except smtplib.SMTPAuthenticationError:
            assert auth == "bad"
        else:
            assert auth == "good"


def context(certificate: str) -> ssl.SSLContext:
    """The client's side of TLS: it trusts our authority, and has a certificate of its own or none."""
    made = ssl.create_default_context(cafile="/etc/meta1/CA/cacert.pem")
    if certificate != "none":
        folder = HOME / certificate
        made.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return made


if __name__ == "__main__":
    print(json.dumps(list(sessions(json.load(sys.stdin)))))

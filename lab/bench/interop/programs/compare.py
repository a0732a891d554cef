"""On the machine: what became of messages, compared octet by octet with what was sent.

Usage: compare.py imap USER SENT         as Python's imaplib reads the mailbox of Cyrus
       compare.py files FOLDER SENT      as files lie in a folder (and below), with any line ends

SENT holds the messages as sent, ID.eml. Prints JSON: for each id found a list of [what stands before the message,
"" or where it differs].
"""

from __future__ import annotations

import imaplib
import json
import re
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path

IDENT = re.compile(rb"^Message-ID: <([^@\r\n]+)@[0-9a-f]+\.interop\.example>", re.MULTILINE)


def imap(user: str) -> Iterator[bytes]:
    """All messages of a user's INBOX."""
    context = ssl.create_default_context(cafile="/etc/meta1/CA/cacert.pem")
    with imaplib.IMAP4_SSL("mail.lab.example", ssl_context=context, timeout=60) as server:
        server.login(user, Path(f"/home/lab/secrets/{user}").read_text())
        server.select("INBOX", readonly=True)
        for number in server.search(None, "ALL")[1][0].split():
            part = server.fetch(number.decode(), "(BODY.PEEK[])")[1][0]
            assert isinstance(part, tuple)
            yield part[1]


def files(folder: str) -> Iterator[bytes]:
    """All files, with the line ends of the network."""
    for path in sorted(Path(folder).rglob("*")):
        if path.is_file():
            yield path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def compared(stored: bytes, sent: bytes) -> tuple[str, str]:
    """What a message got put before it, and where the rest is another than was sent."""
    first = sent.split(b"\r\n", 1)[0] + b"\r\n"
    start = 0 if stored.startswith(first) else stored.find(b"\r\n" + first) + 2
    before, rest = stored[:start], stored[start:]
    if rest == sent:
        return before.decode("latin-1"), ""
    length = min(len(rest), len(sent))
    place = next((i for i in range(length) if rest[i] != sent[i]), length)
    return before.decode("latin-1"), (
        f"octet {place} of {len(sent)}: {rest[place - 20 : place + 30]!r} for {sent[place - 20 : place + 30]!r}"
    )


def main(kind: str, where: str, sent: str) -> None:
    """Look at all."""
    found: dict[str, list[tuple[str, str]]] = {}
    for stored in {"imap": imap, "files": files}[kind](where):
        # Only in the header: a report has another one's further down.
        ident = IDENT.search(stored.split(b"\r\n\r\n", 1)[0])
        original = Path(sent, f"{ident[1].decode()}.eml") if ident else None
        if ident and original and original.exists():
            found.setdefault(ident[1].decode(), []).append(compared(stored, original.read_bytes()))
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""On the machine, as lab: make mailboxes u000, u001, ... in Cyrus, as its administrator, and empty that of Alice."""

from __future__ import annotations

import imaplib
import ssl
import sys
from pathlib import Path


def main(count: str) -> None:
    """Make them; those there already stay."""
    context = ssl.create_default_context(cafile="/etc/meta1/CA/cacert.pem")
    with imaplib.IMAP4_SSL("mail.lab.example", ssl_context=context, timeout=60) as server:
        server.login("cyrus", Path("/home/lab/secrets/cyrus").read_text())
        for number in range(int(count)):
            server.create(f"user/u{number:03d}")
    with imaplib.IMAP4_SSL("mail.lab.example", ssl_context=context, timeout=60) as server:
        server.login("alice", Path("/home/lab/secrets/alice").read_text())
        server.select("INBOX")
        server.store("1:*", "+FLAGS", r"(\Deleted)")
        server.expunge()


if __name__ == "__main__":
    main(*sys.argv[1:])

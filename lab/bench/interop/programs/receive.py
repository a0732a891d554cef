"""On the machine: a mail server made of aiosmtpd, which keeps what it gets as files; STARTTLS, no DSN.

Usage: receive.py ADDRESS FOLDER-OF-CERTIFICATE FOLDER-OF-MAIL
"""

from __future__ import annotations

import ssl
import sys
import threading
from itertools import count
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session


class Keep:
    """Keeps each message in a file for each recipient; `nobody` is refused."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.numbers = count()

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take the recipient, or not."""
        if address.startswith("nobody@"):
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Write the message down."""
        content = envelope.content
        assert isinstance(content, bytes)
        for _ in envelope.rcpt_tos:
            (self.folder / f"{next(self.numbers)}").write_bytes(content)
        return "250 2.0.0 OK"


def main(address: str, tls: str, folder: str) -> None:
    """Listen for ever."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(f"{tls}/cert.pem", f"{tls}/key.pem")
    options: dict[str, Any] = {"tls_context": context, "data_size_limit": 64 * 2**20}
    Controller(Keep(Path(folder)), hostname=address, port=25, **options).start()
    threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])

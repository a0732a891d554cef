"""On the machine: the delivery status notifications in a mailbox, as JSON: a list of fields, each report's own.

Usage: reports.py imap USER | reports.py files FOLDER
"""

from __future__ import annotations

import email
import email.message
import json
import sys

from compare import IDENT, files, imap


def fields(stored: bytes) -> dict[str, str] | None:
    """Fields of the part for programs, of message and (last) recipient; `About` is the message it is about."""
    message = email.message_from_bytes(stored)
    if message.get_content_type() != "multipart/report":
        return None
    found = {"To": str(message.get("To", ""))}
    for part in message.walk():
        if part.get_content_type() == "message/delivery-status":
            blocks = part.get_payload()
            assert isinstance(blocks, list)
            for block in blocks:
                assert isinstance(block, email.message.Message)
                found |= {name: str(value) for name, value in block.items()}
    about = IDENT.search(stored.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    return {**found, "About": about[1].decode() if about else ""}


def main(kind: str, where: str) -> None:
    """Look at all."""
    stored = {"imap": imap, "files": files}[kind](where)
    print(json.dumps([found for found in map(fields, stored) if found is not None]))


if __name__ == "__main__":
    main(*sys.argv[1:])

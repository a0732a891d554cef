"""On the machine: send as an order on standard input says, by aiosmtplib."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import aiosmtplib
from send_smtplib import context


async def send(order: dict[str, Any]) -> None:
    """Send."""
    options: dict[str, Any] = {"start_tls": False}
    if order["tls"]:
        options = {"start_tls": True, "tls_context": context(order)}
    server = aiosmtplib.SMTP(
        order["server"], order["port"], local_hostname="client.example", timeout=60, **options
    )
    async with server:
        if order["auth"]:
            await server.ehlo()
            await server.auth_crammd5("alice", Path(order["secret"]).read_text())
        data = Path(order["mail"]).read_bytes()
        mail, recipient = [], []
        if order["envid"]:
            mail = ["RET=HDRS", f"ENVID={order['envid']}"]
            recipient = ["NOTIFY=SUCCESS,FAILURE"]
        if not data.isascii():
            mail.append("BODY=8BITMIME")
        refused, _ = await server.sendmail(order["sender"], order["to"], data, mail, recipient)
        if refused:
            sys.exit(f"refused: {refused}")


if __name__ == "__main__":
    try:
        asyncio.run(send(json.load(sys.stdin)))
    except aiosmtplib.SMTPException as error:
        sys.exit(f"{type(error).__name__}: {error}")

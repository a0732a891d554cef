"""On the machine: send as an order on standard input says, by Python's own smtplib."""

from __future__ import annotations

import json
import smtplib
import ssl
import sys
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any


def context(order: dict[str, Any]) -> ssl.SSLContext:
    """TLS of that one version, the server's name verified, with a certificate of our own if it is wanted."""
    made = ssl.create_default_context(cafile=order["ca"])
    version = ssl.TLSVersion[f"TLSv{order['tls'].replace('.', '_')}"]
    made.minimum_version = made.maximum_version = version
    if order["certificate"]:
        made.load_cert_chain(order["cert"], order["key"])
    return made


def main() -> None:
    """Send."""
    order = json.load(sys.stdin)
    with smtplib.SMTP(order["server"], order["port"], "client.example", timeout=60) as server:
        if order["tls"]:
            server.starttls(context=context(order))
        if order["auth"]:
            server.ehlo()
            server.user, server.password = "alice", Path(order["secret"]).read_text()
            server.auth(order["auth"], server.auth_cram_md5)
        if not "".join(order["to"]).isascii():
            letter = message_from_bytes(Path(order["mail"]).read_bytes(), policy=policy.SMTPUTF8)
            server.send_message(letter, order["sender"], order["to"])
            return
        data = Path(order["mail"]).read_bytes()
        mail, recipient = [], []
        if order["envid"]:
            mail = ["RET=HDRS", f"ENVID={order['envid']}"]
            recipient = [
                "NOTIFY=SUCCESS,FAILURE",
                f"ORCPT=rfc822;first+2B{order['envid']}@lab.example",
            ]
        if not data.isascii():
            mail.append("BODY=8BITMIME")
        refused = server.sendmail(order["sender"], order["to"], data, mail, recipient)
        if refused:
            sys.exit(f"refused: {refused}")


if __name__ == "__main__":
    try:
        main()
    except smtplib.SMTPException as error:
        sys.exit(f"{type(error).__name__}: {error}")

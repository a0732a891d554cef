"""What a client program is told to send: the same order for all of them. Pure."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

SERVER = "mail.lab.example"
CA = "/etc/meta1/CA/cacert.pem"
CERTIFICATE = "/home/lab/alice/cert.pem"
KEY = "/home/lab/alice/key.pem"
LOGIN = "/home/lab/secrets/alice"
TAP = 2525
"""Port of the tap, which writes down what passes through it."""


@dataclass(frozen=True, slots=True)
class Order:
    """Send the file `mail` to `to`.

    `tls` is a version ("1.2", "1.3"), verified, or empty: clear text. `auth` is a SASL mechanism. `envid` asks for a
    report on success under that name.
    """

    mail: str
    to: tuple[str, ...] = ("alice@lab.example",)
    sender: str = "alice@lab.example"
    server: str = SERVER
    port: int = 25
    tls: str = ""
    certificate: bool = False
    auth: str = ""
    envid: str = ""

    def as_json(self) -> str:
        """For programs that read their order from standard input."""
        return json.dumps(
            {
                **asdict(self),
                "ca": CA,
                "cert": CERTIFICATE,
                "key": KEY,
                "secret": LOGIN,
            }
        )

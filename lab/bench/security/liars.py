"""What the lying servers of `programs/liar.py` say: each has a domain of its own below liar.example."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

FIRST_PORT: Final = 2501
STRANGER: Final = "127.0.9.9"
"""A client whose name in DNS holds line ends and quotes."""
ODD_NAME: Final = r"evil\013\010x-injected:\032yes\034\032client=6.6.6.6.liar.example."

# What the words of a refusal may hold, to get into a report or a log: a CR that some take for a line end, terminal
# codes, NUL, 8-bit letters, fields of a report and of a log line.
WORDS: Final = (
    "gone\rX-Injected: yes\r--boundary\x1b[31m\0\xff Status: 2.0.0 Action: delivered "
    'text=" client=6.6.6.6 outcome=delivered'
)

SAYS: Final[Mapping[str, Mapping[str, str]]] = {
    # Replies behind the 220 in the same segment. Inside TLS the true answer to EHLO never ends: who goes on after it
    # has taken the injected one for it.
    "starttls": {
        "EHLO": "250-liar\r\n250-SIZE 77777\r\n250 STARTTLS\r\n",
        "STARTTLS": "220 go\r\n250-injected\r\n250-PIPELINING\r\n250 SIZE 99999\r\n",
        "tls EHLO": "250-liar\r\n",
    },
    # The same a moment later, where it should be the handshake.
    "late": {
        "EHLO": "250-liar\r\n250-SIZE 77777\r\n250 STARTTLS\r\n",
        "late": "250-injected\r\n250-PIPELINING\r\n250 SIZE 99999\r\n",
        "tls EHLO": "250-liar\r\n",
    },
    "words": {"RCPT": f"550-5.1.1 first {WORDS}\r\n550 5.1.1 last {WORDS}\r\n"},
    "long": {"RCPT": "550 5.1.1 " + "x" * 2_000_000},
    "endless": {"RCPT": "550-5.1.1 again\r\n" * 100_000},
    "garbage": {"RCPT": "".join(map(chr, range(256))) * 16 + "\r\n"},
    # Takes what comes, for what goes out to other servers.
    "sink": {},
}


class Servers:
    """The liars by name and by port."""

    def __init__(self, says: Mapping[str, Mapping[str, str]]) -> None:
        self.ports = {name: FIRST_PORT + number for number, name in enumerate(says)}
        self.says = {self.ports[name]: each for name, each in says.items()}


SERVERS = Servers(SAYS)
NAMES = {
    "9.9.0.127.in-addr.arpa. PTR": [ODD_NAME],
    f"{ODD_NAME} A": [STRANGER],
    "9.0.0.127.in-addr.arpa. PTR": ["stranger.liar.example."],
    "stranger.liar.example. A": ["127.0.0.9"],
}
"""What the lying name server says: presentation text of the records."""

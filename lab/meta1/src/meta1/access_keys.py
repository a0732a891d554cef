"""Keys of the access map and of the mailer table: what is looked up for an address, a name, a DN.

Pure.  The first key is the most exact one; the search goes on to wider ones until one is found.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final

NULL_KEY: Final = "<>"
MAX_LABELS: Final = 40
_DN_SPECIAL: Final = re.compile(r'[^!-~]|[<>()"+]')


def domain_keys(domain: str) -> list[str]:
    """A domain, then each domain above it: `a.b.example` gives itself, `b.example`, `example`."""
    labels = domain.lower().rstrip(".").split(".")[-MAX_LABELS:]
    return [".".join(labels[start:]) for start in range(len(labels))]


def mailbox_keys(mailbox: str) -> list[str]:
    """`user@domain`, the domain and those above it, then `user@`; the null path has one key."""
    if mailbox == NULL_KEY:
        return [NULL_KEY]
    local, at, domain = mailbox.lower().rpartition("@")
    if not at:
        return [f"{domain}@"]
    domain = domain.rstrip(".")
    return [f"{local}@{domain}", *domain_keys(domain), f"{local}@"]


def address_keys(address: str) -> list[str]:
    """An IP address, then its leading parts: `192.0.2.7`, `192.0.2`, `192.0`, `192`.

    IPv6 addresses are written out in full groups without leading zeros (`2001:db8:0:0:...`) and
    shortened group by group; the short form of the whole address is looked up first.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return []
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return address_keys(str(parsed.ipv4_mapped))
        groups = [f"{int(group, 16):x}" for group in parsed.exploded.split(":")]
        keys = [":".join(groups[:count]) for count in range(8, 0, -1)]
        return [str(parsed), *(key for key in keys if key != str(parsed))]
    octets = str(parsed).split(".")
    return [".".join(octets[:count]) for count in range(4, 0, -1)]


def encode_dn(name: str) -> str:
    """Write a DN as a key: blanks, `< > ( ) " +` and all that is not printable as +XX."""
    return _DN_SPECIAL.sub(_hex, name)


def _hex(match: re.Match[str]) -> str:
    """The bytes of a character, each as + and two digits."""
    return "".join(f"+{byte:02X}" for byte in match[0].encode("utf-8", "surrogateescape"))

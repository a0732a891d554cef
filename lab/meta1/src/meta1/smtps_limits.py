"""How many sessions there may be, in all and from one client."""

from __future__ import annotations

import ipaddress
from collections import Counter

from meta1.smtp import reply as replies
from meta1.smtp.reply import Reply


def client_key(address: str) -> str:
    """Name the client that an address belongs to: an IPv6 client owns its whole /64."""
    if ":" not in address:
        return address
    try:
        number = int(ipaddress.IPv6Address(address.partition("%")[0]))
    except ValueError:
        return address
    return str(ipaddress.IPv6Network((number >> 64 << 64, 64)))


class Limits:
    """Counts the sessions of this process."""

    def __init__(self, total: int, per_client: int) -> None:
        """Start with none."""
        self._total = total
        self._per_client = per_client
        self._clients: Counter[str] = Counter()
        self.sessions = 0

    def enter(self, key: str) -> Reply | None:
        """Count a session; a reply says that there are too many (it counts all the same)."""
        self.sessions += 1
        self._clients[key] += 1
        if self.sessions > self._total:
            return replies.TOO_BUSY
        return replies.TOO_MANY_FROM_YOU if self._clients[key] > self._per_client else None

    def leave(self, key: str) -> None:
        """Count a session no more."""
        self.sessions -= 1
        self._clients[key] -= 1
        if not self._clients[key]:
            del self._clients[key]

    def change(self, total: int, per_client: int) -> None:
        """Take new limits, for sessions to come."""
        self._total, self._per_client = total, per_client

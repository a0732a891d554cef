"""The map type `passwd`: the users of the system."""

from __future__ import annotations

import asyncio
import pwd
import re

from meta1.maps.base import NOT_FOUND, Answer, Status

_NAME = re.compile(r"[a-z_][a-z0-9_.-]{0,63}\$?\Z")


class PasswdMap:
    """Finds a user; the value is the name itself."""

    def __init__(self, name: str) -> None:
        """There is nothing to open."""
        self.name = name

    async def lookup(self, key: str) -> Answer:
        """Ask the name service, in a thread since it may go over the network."""
        user = key.lower()
        if not _NAME.match(user):
            return NOT_FOUND
        try:
            await asyncio.to_thread(pwd.getpwnam, user)
        except KeyError:
            return NOT_FOUND
        return Answer(Status.OK, user)

    def close(self) -> None:
        """There is nothing to close."""

"""Logs in the people of class.json by their passwords; the instructor is the hub's administrator."""

from __future__ import annotations

import asyncio
import time
from functools import cache
from typing import Any

from jupyterhub.auth import Authenticator

from lab.classroom import settings as class_settings
from lab.classroom.brake import Brake, Guesser
from lab.classroom.net import hub_address
from lab.classroom.roster import hashed, matches


class RosterAuthenticator(Authenticator):  # type: ignore[misc]
    """Reads class.json at each login, so a password that was reset and a trainee who was added count at once."""

    def __init__(self, **keywords: Any) -> None:
        super().__init__(**keywords)
        self._brake = Brake()
        self._turns: dict[Guesser, asyncio.Lock] = {}

    async def authenticate(self, handler: Any, data: dict[str, str]) -> dict[str, Any] | None:
        """Tell who logs in, or None; as slow for an unknown login as for a wrong password."""
        name, word = data["username"][:64], data["password"][:256]
        who = (_address(handler.request), name)
        # One at a time, else many guesses at once would pass the brake together.
        turn = self._turns.setdefault(who, asyncio.Lock())
        try:
            async with turn:
                await asyncio.sleep(self._brake.wait(who, time.monotonic()))
                kept, admin = _kept(name)
                if await asyncio.to_thread(matches, word, kept or _nobody()) and kept:
                    self._brake.right(who)
                    return {"name": name, "admin": admin}
                self._brake.wrong(who, time.monotonic())
                return None
        finally:
            if not turn.locked():
                self._turns.pop(who, None)

    def check_allowed(self, username: str, authentication: Any = None) -> bool:
        """Everybody of class.json."""
        return bool(_kept(username)[0])


def _address(request: Any) -> str:
    """Who asks: what the proxy says, or, of one who asks the hub past it, the address itself."""
    peer = request.connection.context.address[0]
    found = class_settings.load()
    proxies = ("127.0.0.1", str(hub_address(found.network)))
    return str(request.remote_ip if peer in proxies else peer)


def _kept(name: str) -> tuple[str, bool]:
    """Hash of a login's password, and whether it is the instructor; ``""`` for nobody."""
    found = class_settings.load()
    if name == found.instructor:
        return found.instructor_scrypt, True
    trainee = found.trainee(name)
    return (trainee.scrypt, False) if trainee else ("", False)


@cache
def _nobody() -> str:
    return hashed("")

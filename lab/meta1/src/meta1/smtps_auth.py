"""One AUTH attempt of a session: carries bytes between the core and libsasl2."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from meta1 import maillog
from meta1.sasl import Authenticated, Challenge, Exchange, NotAuthenticated, SaslUnusable, Step
from meta1.smtp import reply as replies

if TYPE_CHECKING:
    from meta1.smtps_session import Session

PAUSE: Final = 1.0
"""Seconds before a wrong secret is answered: guessing costs time, and not ours."""


class AuthAttempt:
    """Begins with AUTH, ends with 235 or a refusal; never used twice (CVE-2011-1720)."""

    def __init__(self, session: Session, mechanism: str) -> None:
        """Prepare; `start` opens the exchange."""
        self._session = session
        self._mechanism = mechanism
        self._exchange: Exchange | None = None

    def start(self, number: int, initial: bytes | None) -> None:
        """Open the exchange with the client's initial response, if it sent one."""
        session = self._session
        try:
            if session.server.sasl is None:
                raise SaslUnusable("libsasl2 was not started")
            self._exchange = session.server.sasl.begin(secure=session.core.is_tls)
        except SaslUnusable as error:
            maillog.trouble("auth_not_possible", session=session.session_id, error=error)
            session.answer(number, replies.AUTH_LATER)
        else:
            self._go_on(number, self._exchange.start(self._mechanism, initial))

    def step(self, number: int, response: bytes) -> None:
        """Give libsasl2 the client's response."""
        if self._exchange is None:
            self._session.answer(number, replies.AUTH_REFUSED)
            return
        self._go_on(number, self._exchange.step(response))

    def dispose(self) -> None:
        """Forget the exchange and its secrets."""
        if self._exchange is not None:
            self._exchange.dispose()
            self._exchange = None

    def _go_on(self, number: int, step: Step) -> None:
        session = self._session
        match step:
            case Challenge(data):
                session.challenge(number, data)
            case Authenticated(identity):
                self.dispose()
                session.be_authenticated(self._mechanism, identity)
                maillog.authenticated(session.session_id, self._mechanism, identity)
                session.answer(number, replies.AUTH_OK)
            case NotAuthenticated(why):
                self.dispose()
                maillog.not_authenticated(
                    session.session_id, self._mechanism, session.client.address, why
                )
                loop = asyncio.get_running_loop()
                loop.call_later(PAUSE, session.answer, number, replies.AUTH_REFUSED)

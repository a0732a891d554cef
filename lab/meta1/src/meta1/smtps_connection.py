"""The connection below an SMTP session: an asyncio protocol around the server core.

Moves bytes, keeps the time, shakes hands for TLS.  No coroutine, no buffer of its own; all replies
of one read leave in one write.  What events mean is decided in `smtps_session.py`.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from typing import TYPE_CHECKING, Final, cast

from meta1 import maillog
from meta1.messages import Client
from meta1.smtp import events as ev
from meta1.smtp import reply as replies
from meta1.smtp.reply import Reply
from meta1.smtp.server import ServerConnection
from meta1.smtp.state import State
from meta1.smtps_limits import client_key
from meta1.tls import TlsFacts, session_facts

if TYPE_CHECKING:
    from meta1.smtps import Server

MAX_BACKLOG: Final = 64 * 1024
HANDSHAKE_TIMEOUT: Final = 60.0
RATE_AFTER: Final = 60.0
QUIT_TIMEOUT: Final = 10.0
"""Seconds in which a client that the greeting has refused may say QUIT (RFC 5321 3.1)."""


class Connection(asyncio.Protocol):
    """Bytes, time and TLS of one client."""

    def __init__(self, server: Server) -> None:
        """Prepare; the session begins when the transport is there."""
        self.server = server
        self.policy = server.policy
        self.core = ServerConnection(self.policy.settings)
        self.session_id = server.ids.next()
        self.client = Client("")
        self.tls: TlsFacts | None = None
        self.transport: asyncio.Transport | None = None
        self.mails = 0
        self._events: deque[ev.ServerEvent] = deque()
        self._is_running = False
        self._is_half_closed = False
        self._is_lost = False
        self._pauses: set[str] = set()
        self._early: list[bytes] = []
        self._began = self._deadline = self._content_began = 0.0
        self._content_size = 0
        self._key = ""
        self._why = ""

    # ---- what a session adds ---------------------------------------------------------------

    def begin(self) -> None:
        """Find out who the client is and greet it."""
        raise NotImplementedError

    def handle(self, event: ev.ServerEvent) -> None:
        """Do what an event of the core asks for."""
        raise NotImplementedError

    def stop(self) -> None:
        """End as soon as nothing is lost by it."""
        raise NotImplementedError

    def forget(self) -> None:
        """Give up what a session holds, because the connection is gone."""
        raise NotImplementedError

    # ---- asyncio ---------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the client in; one too many is told so and left."""
        self.transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername") or ("unknown",)
        self.client = Client(str(peer[0]))
        self._key = client_key(self.client.address)
        self._began = self.server.time()
        self._touch()
        too_many = self.server.enter(self, self._key)
        maillog.session_opened(self.session_id, self.client.address)
        if too_many is not None:
            self.run(self.core.greet(too_many))
        else:
            self.begin()

    def data_received(self, data: bytes) -> None:
        """Feed the core; what comes behind a TLS handshake may come before we know of its end."""
        if "tls" in self._pauses:
            self._early.append(data)
        else:
            self.run(self.core.receive_data(data))

    def eof_received(self) -> bool:
        """Keep half a connection open while a reply is still owed."""
        self._is_half_closed = self.core.is_waiting and not self.core.is_tls
        return self._is_half_closed

    def pause_writing(self) -> None:
        """Read no more from a client that does not read our replies."""
        self._pause("write")

    def resume_writing(self) -> None:
        """Go on once it does."""
        self._resume("write")

    def connection_lost(self, error: Exception | None) -> None:
        """Forget the session; a mail that is being kept goes on by itself."""
        if self._is_lost:
            return
        self._is_lost = True
        self.transport = None
        was_over = bool(self._why)
        self.run(self.core.close(None, "connection lost"))
        self.forget()
        # After 221 many clients go without a proper end of TLS: nothing has failed.
        if error is not None and not was_over:
            maillog.read_failed(self.session_id, self.client.address, error)
        self.server.leave(self, self._key)
        seconds = f"{self.server.time() - self._began:.2f}"
        maillog.session_closed(
            self.session_id,
            self.client.address,
            self._why,
            mails=self.mails,
            errors=self.core.errors or None,
            seconds=seconds,
        )

    # ---- events and answers ----------------------------------------------------------------

    def run(self, new: list[ev.ServerEvent]) -> None:
        """Handle events; a handler that answers adds the events that follow."""
        self._events.extend(new)
        if self._is_running:
            return
        self._is_running = True
        try:
            while self._events:
                event = self._events.popleft()
                if isinstance(event, ev.TlsWanted):
                    self._want_tls()
                elif isinstance(event, ev.Closing):
                    self._why = event.reason
                else:
                    self.handle(event)
        finally:
            self._is_running = False
        self._flush()

    def answer(self, number: int, decision: Reply) -> None:
        """Give a decision to the core."""
        self.run(self.core.answer(number, decision))

    def challenge(self, number: int, data: bytes) -> None:
        """Give the core a challenge to send."""
        self.run(self.core.challenge(number, data))

    def end(self, answer: Reply, why: str) -> None:
        """End the session from our side."""
        self.run(self.core.close(answer, why))

    def _flush(self) -> None:
        """Write what the core has to say, and read on or not."""
        data = self.core.bytes_to_send()
        transport = self.transport
        if transport is None:
            return
        if data:
            transport.write(data)
            self._touch()
        if self.core.is_closed or (self._is_half_closed and not self.core.is_waiting):
            transport.close()
        elif self.core.backlog > MAX_BACKLOG:
            self._pause("backlog")
        elif "backlog" in self._pauses:
            self._resume("backlog")

    def _pause(self, why: str) -> None:
        self._pauses.add(why)
        if self.transport is not None and self.transport.is_reading():
            self.transport.pause_reading()

    def _resume(self, why: str) -> None:
        self._pauses.discard(why)
        if not self._pauses and self.transport is not None and not self.transport.is_reading():
            self.transport.resume_reading()

    # ---- time ------------------------------------------------------------------------------

    def _touch(self) -> None:
        """Give the client its time anew: for a whole command or for content, not for a byte.

        One that is refused gets no more, whatever it says.
        """
        if self.core.state is not State.REFUSED:
            self._deadline = self.server.time() + self.policy.section.io_timeout

    def await_quit(self) -> None:
        """Give a client that was refused a short time to leave by itself."""
        patience = min(QUIT_TIMEOUT, self.policy.section.io_timeout)
        self._deadline = self.server.time() + patience

    def begin_content(self) -> None:
        """Watch from now on how fast content comes."""
        self._content_began = self.server.time()
        self._content_size = 0

    def note_content(self, size: int) -> None:
        """Count content that came."""
        self._content_size += size
        self._touch()

    def end_content(self) -> None:
        """Watch no more."""
        self._content_began = 0.0

    def check_time(self, now: float) -> None:
        """End the session of a client that is silent, too slow or stays too long."""
        section = self.policy.section
        if self.core.is_waiting:
            # The client waits for us, not we for it.
            self._touch()
        elif now > self._deadline or now > self._began + section.session_timeout:
            self.end(replies.TIMED_OUT, "timed out")
        elif self._is_slow(now):
            self.end(replies.TOO_SLOW, "too slow")

    def _is_slow(self, now: float) -> bool:
        """Say whether content comes more slowly than a real client would send it."""
        elapsed = now - self._content_began
        if not self._content_began or elapsed < RATE_AFTER:
            return False
        return self._content_size < elapsed * self.policy.section.min_data_rate

    # ---- TLS -------------------------------------------------------------------------------

    def _want_tls(self) -> None:
        # Nothing is read between our 220 and the handshake: clear text must not pass for TLS.
        self._pause("tls")
        self.server.spawn(self._start_tls())

    async def _start_tls(self) -> None:
        context, transport = self.policy.tls, self.transport
        if context is None or transport is None:
            return
        loop = asyncio.get_running_loop()
        try:
            secure = await loop.start_tls(
                transport, self, context, server_side=True, ssl_handshake_timeout=HANDSHAKE_TIMEOUT
            )
        except (OSError, ssl.SSLError) as error:
            maillog.tls_failed(self.session_id, "server", error)
            self.end(replies.TRY_LATER, "TLS failed")
            transport.abort()
            # A reset in the middle of the handshake is told to nobody but us.
            self.connection_lost(error)
            return
        if self.transport is None:
            return
        if secure is None or secure.get_extra_info("ssl_object") is None:
            # Closed by us while the client kept us waiting: nobody else tells of that end.
            transport.abort()
            self.connection_lost(None)
            return
        self.transport = secure
        self._be_secure(secure)

    def _be_secure(self, secure: asyncio.Transport) -> None:
        """Note the facts of the TLS session, forget what was said before, and go on inside it."""
        session = secure.get_extra_info("ssl_object")
        tls = self.tls = session_facts(session, requested=self.policy.requests_cert)
        maillog.tls_started(
            self.session_id,
            "server",
            version=tls.version,
            cipher=tls.cipher,
            bits=tls.bits,
            verify=tls.verify,
            subject=tls.subject,
            issuer=tls.issuer,
        )
        old = self.client
        self.client = Client(
            old.address,
            old.name,
            old.resolve,
            tls_verify=tls.verify,
            cert_issuer=tls.issuer,
            cert_subject=tls.subject,
        )
        self.core.tls_started()
        self._touch()
        self._pauses.discard("tls")
        early, self._early = self._early, []
        for data in early:
            self.run(self.core.receive_data(data))

"""One connection of smtpc to a server: moves bytes between the socket and the protocol core."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Final, cast

from meta1 import maillog
from meta1.messages import Host
from meta1.smtp.client import ClientConnection
from meta1.smtp.events import (
    ClientEvent,
    ContentWanted,
    Delivered,
    ServerReady,
    SessionEnded,
    TlsReady,
    TlsRefused,
)
from meta1.smtpc_body import ContentLost
from meta1.smtpc_job import Job
from meta1.smtpc_terms import NotReady, Patience
from meta1.tls import session_facts

LOST_CODES: Final = frozenset({421, 451})


class Session(asyncio.Protocol):
    """A session; `ready` is done when mail can be sent, or fails with NotReady."""

    def __init__(
        self, host: Host, hello: str, *, lmtp: bool, patience: Patience,
        context: ssl.SSLContext | None, must_verify: bool,
        on_free: Callable[[Session], None], on_stale: Callable[[Job], None],
    ) -> None:  # fmt: skip
        """Prepare; `on_free` is called whenever the session could do more, or is over."""
        self.host = host
        self.core = ClientConnection(hello, lmtp=lmtp)
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._loop = asyncio.get_running_loop()
        self._patience = patience
        self._context = context
        self._must_verify = must_verify
        self._on_free = on_free
        self._on_stale = on_stale
        self._jobs: dict[int, Job] = {}
        self._sending: Job | None = None
        self._transport: asyncio.Transport | None = None
        self._can_write = True
        self._since = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._tls: asyncio.Task[None] | None = None
        self.count = 0

    # ---- what the pool uses ----------------------------------------------------------------

    @property
    def load(self) -> int:
        """Count the deliveries under way."""
        return len(self._jobs)

    @property
    def is_usable(self) -> bool:
        """Tell whether the session can take another delivery."""
        worn_out = self.count >= self._patience.max_transactions
        return self.ready.done() and not self.core.is_over and not worn_out

    def take(self, job: Job) -> None:
        """Send one more message on this session."""
        self.count += 1
        self._jobs[self.core.deliver(job.outgoing)] = job
        self._progress()
        self._act(self.core.take_events())

    def end(self) -> None:
        """Say QUIT, without waiting long for the answer."""
        if self.core.is_over:
            self._close()
            return
        self.core.quit()
        self._flush()
        self._loop.call_later(5.0, self._close)

    def abort(self) -> None:
        """Break off all deliveries under way; none goes to another connection."""
        for job in self._jobs.values():
            job.had_stale_connection = True
        self._abort()

    # ---- what asyncio calls ----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the greeting."""
        self._transport = cast(asyncio.Transport, transport)
        self._progress()
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Let the core read, then do what it says."""
        self._progress()
        self._act(self.core.receive_data(data))

    def connection_lost(self, error: Exception | None) -> None:
        """Nothing more comes: open recipients are tried again later."""
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
        self._act(self.core.connection_lost())

    def pause_writing(self) -> None:
        """Read no more content until the server has taken some."""
        self._can_write = False

    def resume_writing(self) -> None:
        """Go on with the content."""
        self._can_write = True
        self._progress()
        self._feed()
        self._flush()

    # ---- events ----------------------------------------------------------------------------

    def _act(self, events: list[ClientEvent]) -> None:
        """Do what follows from each event, then write once."""
        for event in events:
            match event:
                case ServerReady():
                    self._server_ready()
                case TlsReady():
                    self._tls = self._loop.create_task(self._shake_hands())
                case TlsRefused():
                    self._go_in_clear(f"STARTTLS refused: {event.reply}")
                case ContentWanted():
                    self._sending = self._jobs[event.number]
                    self._feed()
                case Delivered():
                    self._delivered(event)
                case SessionEnded():
                    self._session_ended(event)
        self._flush()

    def _server_ready(self) -> None:
        """Begin TLS if it is offered and wanted; else mail can go."""
        wants_tls = self._context is not None and not self.core.is_tls
        if wants_tls and "STARTTLS" in self.core.capabilities:
            self.core.start_tls()
        elif wants_tls:
            self._go_in_clear("STARTTLS not offered")
        else:
            self._is_ready()

    def _go_in_clear(self, why: str) -> None:
        """Send without TLS, unless the configuration forbids it."""
        if self._must_verify:
            self._give_up(NotReady(why))
        else:
            self._is_ready()

    def _is_ready(self) -> None:
        """Let the pool use the session."""
        if not self.ready.done():
            self.ready.set_result(None)
        self._on_free(self)

    async def _shake_hands(self) -> None:
        """Go over to TLS; whatever goes wrong is the end of this connection."""
        if self._transport is None or self._context is None:
            self._give_up(NotReady("connection lost before TLS", tls_failed=True))
            return
        try:
            transport = await self._loop.start_tls(
                self._transport, self, self._context, server_hostname=self._server_name(),
                ssl_handshake_timeout=self._patience.connect,
            )  # fmt: skip
        except (OSError, RuntimeError) as error:
            maillog.tls_failed(self.host.name, "client", error)
            self._give_up(NotReady(f"TLS handshake failed: {error}", tls_failed=True))
            return
        if transport is None:
            self._give_up(NotReady("connection lost in the TLS handshake", tls_failed=True))
            return
        self._transport = transport
        facts = session_facts(self._transport.get_extra_info("ssl_object"))
        maillog.tls_started(
            self.host.name, "client", version=facts.version, cipher=facts.cipher,
            bits=facts.bits, verify=facts.verify, subject=facts.subject, issuer=facts.issuer,
        )  # fmt: skip
        self._progress()
        self.core.tls_started()
        self._act(self.core.take_events())

    def _server_name(self) -> str:
        """The name for SNI and, where it is checked, for the certificate."""
        return self.host.address if self.host.name.startswith("[") else self.host.name

    def _delivered(self, event: Delivered) -> None:
        """Hand the results on; a connection that broke while idle says nothing about mail."""
        job = self._jobs.pop(event.number)
        if self._sending is job:
            self._sending = None
        if self._is_stale(job, event):
            job.had_stale_connection = True
            self._on_stale(job)
        else:
            has_dsn = "DSN" in self.core.capabilities and not self.core.is_lmtp
            job.done(event.results, self.host.name, has_dsn)
        self._on_free(self)

    def _is_stale(self, job: Job, event: Delivered) -> bool:
        """Tell whether a used connection was gone before this message got anywhere."""
        was_used = self.count > 1 and self.core.is_over and not job.had_stale_connection
        untouched = all(
            word.code in LOST_CODES and stage != "content"
            for word, stage in zip(event.results, event.stages, strict=True)
        )
        return was_used and untouched

    def _session_ended(self, event: SessionEnded) -> None:
        """Close; before the session was ready this is a failure to connect."""
        said = str(event.reply) if event.reply is not None else event.error
        self._give_up(NotReady(said or "connection closed"))

    def _give_up(self, why: NotReady) -> None:
        """End the session for a reason."""
        if not self.ready.done():
            self.ready.set_exception(why)
            self.ready.exception()  # the pool looks at it later, or has gone
        self._close()
        self._on_free(self)

    # ---- bytes -----------------------------------------------------------------------------

    def _feed(self) -> None:
        """Send content as long as the socket takes it."""
        while self._sending is not None and self._can_write and not self.core.is_over:
            job = self._sending
            try:
                piece = job.body.next_piece()
            except (ContentLost, OSError) as error:
                # Half a message is out: only breaking off keeps the server from taking it.
                maillog.broken(f"content of {job.delivery.transaction_id}", error)
                self._sending = None
                self._abort()
                return
            if piece:
                self.core.send_content(piece)
            else:
                self._sending = None
                self.core.end_content()
            self._flush()

    def _flush(self) -> None:
        """Write all that the core has gathered, at once."""
        data = self.core.bytes_to_send()
        if data and self._transport is not None:
            self._transport.write(data)

    def _progress(self) -> None:
        """Something moved: patience begins anew."""
        self._since = self._loop.time()

    def _watch(self) -> None:
        """Look after the patience; one timer, set again only when it has run out."""
        if self._transport is None:
            return
        is_idle = self.ready.done() and not self._jobs and self.core.is_idle
        limit = self._patience.idle if is_idle else self._patience.for_phase(self.core.phase)
        rest = self._since + limit - self._loop.time()
        if rest > 0:
            self._timer = self._loop.call_later(min(rest, self._patience.idle or rest), self._watch)
        elif is_idle:
            self.end()
            self._on_free(self)
        else:
            self._act(self.core.connection_lost(f"no answer to {self.core.phase} in time"))
            self._abort()

    def _close(self) -> None:
        """Close after what was written."""
        if self._transport is not None:
            self._transport.close()

    def _abort(self) -> None:
        """Break off at once."""
        if self._transport is not None:
            self._transport.abort()

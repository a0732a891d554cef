"""Connections to one destination: opened when needed, used again, closed when idle."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from meta1 import maillog
from meta1.messages import Host, NextHop, Transport
from meta1.smtpc_job import Job
from meta1.smtpc_session import Session
from meta1.smtpc_terms import NotReady, Terms, word

LMTP_DEPTH: Final = 4
"""Messages on one LMTP connection: the next envelope goes out behind the final dot."""


class Pool:
    """The sessions and waiting jobs of one destination."""

    def __init__(self, terms: Terms, on_empty: Callable[[str], None], next_hop: NextHop) -> None:
        """Begin without a connection."""
        self.terms = terms
        self._on_empty = on_empty
        self._next_hop = next_hop
        self._sessions: list[Session] = []
        self._waiting: deque[Job] = deque()
        self._opening: set[asyncio.Task[None]] = set()
        self._ceiling: int | None = None

    @property
    def load(self) -> int:
        """Count what is under way or waits."""
        return len(self._waiting) + sum(session.load for session in self._sessions)

    def submit(self, next_hop: NextHop, job: Job) -> None:
        """Send a message as soon as a connection can take it."""
        self._next_hop = next_hop
        self._waiting.append(job)
        self._serve()

    def end(self) -> None:
        """Close what is idle; what is busy is closed by the process's end."""
        for session in self._sessions:
            if session.load == 0:
                session.end()

    def abort(self) -> None:
        """Break off all that is under way or waits; the pool itself goes on."""
        self._fail_all("broken off")
        for session in list(self._sessions):
            session.abort()

    # ---- inside ----------------------------------------------------------------------------

    @property
    def _is_lmtp(self) -> bool:
        """Tell whether this is the server beside us."""
        return self._next_hop.transport is Transport.LMTP

    def _serve(self) -> None:
        """Give waiting jobs to sessions, and open more where that helps."""
        while self._waiting:
            session = self._best()
            if session is not None and (session.load == 0 or not self._can_open):
                session.take(self._waiting.popleft())
            else:
                break
        while self._can_open and len(self._opening) < len(self._waiting):
            self._open()

    @property
    def _can_open(self) -> bool:
        """Tell whether one more connection may be opened; qmgr limits those for SMTP."""
        count = len(self._sessions) + len(self._opening)
        if self._ceiling is not None and count >= self._ceiling:
            return False
        return not self._is_lmtp or count < self.terms.max_lmtp

    def _best(self) -> Session | None:
        """The session with the least to do that can take more."""
        depth = LMTP_DEPTH if self._is_lmtp else 1
        usable = [one for one in self._sessions if one.is_usable and one.load < depth]
        return min(usable, key=lambda one: one.load, default=None)

    def _open(self) -> None:
        """Open a connection in the background."""
        task = asyncio.get_running_loop().create_task(self._connect(self._next_hop.hosts))
        self._opening.add(task)

    async def _connect(self, hosts: tuple[Host, ...]) -> None:
        """Try the hosts in their order until one takes mail."""
        reason = "no host to connect to"
        session = None
        for host in hosts:
            try:
                session = await self._try(host)
                if session.is_usable:
                    break
                session, reason = None, f"{host.name}: connection closed"
            except (OSError, NotReady) as error:
                reason = f"{host.name}: {_words(error)}"
                maillog.trouble("no connection", host=host.name, address=host.address, why=reason)
        self._opening = {task for task in self._opening if task is not asyncio.current_task()}
        if session is not None:
            self._sessions.append(session)
        elif self._sessions or self._opening:
            # The server has enough of us: the connections there are do the work.
            self._ceiling = len(self._sessions) + len(self._opening)
        else:
            self._ceiling = None
            self._fail_all(reason)
        self._serve()
        self._check_empty()

    async def _try(self, host: Host) -> Session:
        """Connect to one host, again without TLS where that is allowed."""
        try:
            return await self._start(host)
        except NotReady as error:
            if not (error.tls_failed and self.terms.may_fall_back):
                raise
            self.terms.without_tls.add(host.address)
            return await self._start(host)

    async def _start(self, host: Host) -> Session:
        """Connect and wait until the server takes mail."""
        loop, terms = asyncio.get_running_loop(), self.terms
        has_tls = not self._is_lmtp and host.address not in terms.without_tls
        session = Session(
            host, terms.hello, lmtp=self._is_lmtp, patience=terms.patience,
            context=terms.context if has_tls else None, must_verify=terms.must_verify and has_tls,
            on_free=self._freed, on_stale=self._stale,
        )  # fmt: skip
        async with asyncio.timeout(terms.patience.connect):
            if self._is_lmtp:
                await loop.create_unix_connection(lambda: session, host.address)
            else:
                source = (terms.source, 0) if terms.source else None
                await loop.create_connection(
                    lambda: session, host.address, host.port, local_addr=source
                )
        await session.ready
        return session

    def _freed(self, session: Session) -> None:
        """A session can do more, or is over."""
        if session in self._sessions and session.load == 0 and self._is_spent(session):
            self._sessions.remove(session)
            self._ceiling = self._ceiling if self._sessions else None
            session.end()
        self._serve()
        self._check_empty()

    def _is_spent(self, session: Session) -> bool:
        """Tell whether an idle session is of no more use."""
        is_unwanted = self.terms.patience.idle == 0 and not self._waiting
        return session.core.is_over or not session.is_usable or is_unwanted

    def _stale(self, job: Job) -> None:
        """Send a job again, on another connection."""
        self._waiting.appendleft(job)

    def _fail_all(self, reason: str) -> None:
        """Nobody can be reached: say so for all that waits."""
        failed, self._waiting = self._waiting, deque()
        for job in failed:
            job.failed(word(421, "4.4.1", reason), reached=False)

    def _check_empty(self) -> None:
        """Tell the owner that nothing is left."""
        if not self._sessions and not self._waiting and not self._opening:
            self._on_empty(self._next_hop.key)


def _words(error: Exception) -> str:
    """The reason for a person."""
    if isinstance(error, TimeoutError):
        return "connection timed out"
    return (error.strerror if isinstance(error, OSError) else "") or str(error)

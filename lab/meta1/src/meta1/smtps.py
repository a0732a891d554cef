"""smtps: the SMTP server process.

Takes its listening sockets from mcp, receives mail, asks smar about access, writes content to the
CDB and hands envelopes to qmgr.  A 250 behind the dot means that both are on disk.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, Final

from meta1 import maillog, program
from meta1.config import Config, Module, Smtps
from meta1.config.errors import ConfigError
from meta1.listen import receive_sockets
from meta1.program import Service
from meta1.queue.cdb import Cdb
from meta1.smtp import reply as replies
from meta1.smtp.reply import Reply
from meta1.smtps_connection import Connection
from meta1.smtps_ids import Ids
from meta1.smtps_limits import Limits
from meta1.smtps_peers import Peers
from meta1.smtps_policy import load_sasl, make_policy
from meta1.smtps_session import Session
from meta1.tls import TlsUnusable

TICK: Final = 1.0
GRACE: Final = 10.0
"""Seconds that mails under way have at the end; mcp kills after stop_timeout (15)."""


def server_index(config: Config, section: Smtps, process: int) -> int:
    """Number this process among all processes of all SMTP servers: part of ids and file names."""
    before = config.smtps.index(section)
    return sum(each.processes for each in config.smtps[:before]) + process


class Server:
    """What all sessions of the process share."""

    def __init__(self, service: Service, section: Smtps) -> None:
        """Open the stores; raises TlsUnusable or OSError, with which the process must not run."""
        config = service.config
        self.loop = asyncio.get_running_loop()
        self.time = self.loop.time
        self.wall_clock = time.time
        self._index = server_index(config, section, service.process)
        self._count = sum(each.processes for each in config.smtps)
        self._host_name = service.hostname
        self.sasl = load_sasl(section, service.hostname)
        self.policy = make_policy(section, service.hostname, self.sasl)
        self.ids = Ids(config.spool(f"smtps/ids.{self._index}"), self._index)
        self.limits = Limits(section.max_sessions, section.max_sessions_per_client)
        self.cdb = Cdb(
            config.spool(""),
            self._index,
            gid=-1 if section.cdb_gid is None else section.cdb_gid,
            on_seal=self._on_seal,
            on_broken=self._on_broken,
        )
        self.peers = Peers(config.spool(""), self._index, self._leftover, self.cdb.remove)
        self.sessions: set[Connection] = set()
        self.failed: asyncio.Future[OSError] = self.loop.create_future()
        self._tasks: set[asyncio.Task[None]] = set()
        self._free_space = 0
        self._ticker: asyncio.TimerHandle | None = None

    # ---- what sessions use -----------------------------------------------------------------

    def enter(self, session: Connection, key: str) -> Reply | None:
        """Count a session in; a reply says that there are too many."""
        self.sessions.add(session)
        return self.limits.enter(key)

    def leave(self, session: Connection, key: str) -> None:
        """Count a session out."""
        self.sessions.discard(session)
        self.limits.leave(key)

    def refusal(self, size: int) -> Reply | None:
        """Say why no mail of this size can be taken now, if so."""
        if self._free_space - size < self.policy.section.min_free_space:
            return replies.STORAGE_FULL
        return self.peers.refusal()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something that takes a while, and do not lose it."""
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # ---- the life of the process -----------------------------------------------------------

    async def connect(self, patience: float) -> None:
        """Connect to qmgr and smar; after some time serve without them, with 4yz replies."""
        self.peers.start()
        self._tick()
        deadline = self.time() + patience
        while not (self.peers.qmgr.is_open and self.peers.smar.is_open):
            if self.time() > deadline:
                maillog.trouble("peers_missing", waited=patience)
                return
            await asyncio.sleep(0.02)

    def reload(self, config: Config, module: Module) -> None:
        """Use a new configuration for sessions to come; a wrong tls section changes nothing."""
        if not isinstance(module, Smtps):
            return
        try:
            self.policy = make_policy(module, self._host_name, self.sasl)
        except TlsUnusable as error:
            maillog.not_reloaded(error)
            return
        self.limits.change(module.max_sessions, module.max_sessions_per_client)

    async def stop(self) -> None:
        """End all sessions, those that send a mail behind it; then close the stores."""
        for session in list(self.sessions):
            session.stop()
        deadline = self.time() + GRACE
        while (self.sessions or self.peers.waiting) and self.time() < deadline:
            await asyncio.sleep(0.02)
        for session in list(self.sessions):
            session.end(replies.SHUTTING_DOWN, "shutting down")
        if self._ticker is not None:
            self._ticker.cancel()
        self.cdb.close()
        self.peers.stop()

    def _tick(self) -> None:
        """Look at the clock for everybody, once a second."""
        now = self.time()
        try:
            self._free_space = self.cdb.free_space()
        except OSError as error:
            self._on_broken(error)
        for session in list(self.sessions):
            session.check_time(now)
        self.peers.expire(now)
        self._ticker = self.loop.call_later(TICK, self._tick)

    def _leftover(self) -> list[str]:
        """List complete content files: our own, and those of processes that are no more."""
        return self.cdb.leftover(
            lambda index: index == self._index or (self._index == 0 and index >= self._count)
        )

    def _on_seal(self, name: str) -> None:
        self.peers.seal(name)

    def _on_broken(self, error: OSError) -> None:
        """A disk that fails under us: nobody knows what is safe, so the process ends."""
        if not self.failed.done():
            self.failed.set_result(error)


async def serve(service: Service) -> None:
    """Serve until told to stop; an error of the disk ends the process with a log line."""
    section = service.section
    if not isinstance(section, Smtps):
        raise TypeError(f"{service.name} is no SMTP server")
    try:
        server = Server(service, section)
    except TlsUnusable as error:
        raise ConfigError.of(service.config.file, str(error)) from error
    service.on_reload(server.reload)
    sockets = await receive_sockets(service)
    await server.connect(section.wait_for_server)
    # Python listens once more on what mcp has bound, and would take a queue of 100.
    backlog = max((each.backlog for each in section.listen_socket), default=1024)
    listeners = [
        await server.loop.create_server(lambda: Session(server), sock=each, backlog=backlog)
        for each in sockets
    ]
    service.ready()
    stopping = server.loop.create_task(service.stopping.wait())
    ends: set[asyncio.Future[Any]] = {stopping, server.failed}
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    for listener in listeners:
        listener.close()
    stopping.cancel()
    await server.stop()
    if server.failed.done():
        raise server.failed.result()


def main(argv: list[str] | None = None) -> int:
    """Be the program smtps."""
    return program.run("smtps", serve, argv)


if __name__ == "__main__":
    raise SystemExit(main())

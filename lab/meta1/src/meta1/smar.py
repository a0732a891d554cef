"""smar: the address resolver.  Answers smtps (access, client names) and qmgr (routes).

The shell around `access`, `routing` and `dns`: a socket and the maps of the configuration.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from typing import Any, Final, cast

from meta1 import maillog
from meta1.access import decide
from meta1.channel import Channel, serve
from meta1.config import Config, Module, Smar
from meta1.doubt import Doubt
from meta1.maps.base import Answer
from meta1.messages import (
    AccessChecked,
    CheckAccess,
    ClientResolved,
    Hello,
    Message,
    ResolveClient,
    ResolveRoute,
    RouteResolved,
)
from meta1.mx import name_of
from meta1.peers import uids_of
from meta1.program import Service, run
from meta1.route_log import log_route
from meta1.smar_rules import Resources, build

MAX_TASKS: Final = 2_000
"""Questions under way; a peer that asks more waits at its socket."""

Question = CheckAccess | ResolveClient | ResolveRoute
Reply = AccessChecked | ClientResolved | RouteResolved


class Facts:
    """What the access decision asks, for one configuration."""

    def __init__(self, resources: Resources) -> None:
        """Use these maps."""
        self._resources = resources

    async def lookup(self, key: str) -> Answer:
        """Look up in the access map."""
        return await self._resources.access.lookup(key)

    async def is_local(self, domain: str) -> bool:
        """Ask the routes."""
        return await self._resources.routing.is_local(domain)

    async def user_exists(self, mailbox: str) -> bool:
        """Ask the routes."""
        return await self._resources.routing.user_exists(mailbox)


class Resolver:
    """The running address resolver."""

    def __init__(self, service: Service) -> None:
        """Open maps lazily; nothing is asked before somebody wants to know."""
        self.doubt = Doubt(service)
        self._service = service
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._paused: set[Channel] = set()
        self._use(service.config, cast(Smar, service.section))

    def _use(self, config: Config, section: Module) -> None:
        """Take a configuration into use."""
        self._resources = build(config, cast(Smar, section), self._service.hostname)
        self._facts = Facts(self._resources)

    def reload(self, config: Config, section: Module) -> None:
        """Use a new configuration; questions under way end with the old one."""
        old = self._resources
        self._use(config, section)
        self._loop.call_later(60.0, old.close)

    def channel(self) -> Channel:
        """The channel for smtps or qmgr."""
        config = self._service.config
        users = [section.user for section in config.smtps]
        allowed = uids_of("meta1s", "meta1q", config.qmgr.user, *users)
        return Channel(
            Hello("smar"), self._asked, _welcome, self._paused.discard, allowed_uids=allowed
        )

    async def finish(self) -> None:
        """Let questions under way come to their end, for a while."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=2.0)
        self._resources.close()

    # ---- questions -------------------------------------------------------------------------

    def _asked(self, channel: Channel, message: Message) -> None:
        """Begin to find out."""
        if not isinstance(message, CheckAccess | ResolveClient | ResolveRoute):
            maillog.trouble("unexpected message", kind=type(message).__name__)
            return
        self._start(self._answer(channel, message))
        if len(self._tasks) >= MAX_TASKS:
            self._paused.add(channel)
            channel.pause_reading()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a question as a task."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        """Let waiting peers go on; an error nobody foresaw ends the process."""
        self._tasks.discard(task)
        if self._paused and len(self._tasks) < MAX_TASKS // 2:
            for channel in self._paused:
                channel.resume_reading()
            self._paused.clear()
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.doubt.notice(error)

    async def _answer(self, channel: Channel, message: Question) -> None:
        """Find the answer and send it; a route goes into the log."""
        find = cast(Callable[[Resolver, Message], Awaitable[Reply]], _FINDERS[type(message)])
        answer = await find(self, message)
        channel.send(answer)
        if isinstance(message, ResolveRoute) and isinstance(answer, RouteResolved):
            log_route(message.transaction_id, message.forward_path, answer)

    async def _check(self, message: CheckAccess) -> Reply:
        """Decide about access."""
        if "@" not in message.forward_path and message.forward_path:
            complete = self._resources.routing.complete(message.forward_path)
            message = replace(message, forward_path=complete)
        return await decide(self._facts, message)

    async def _route(self, message: ResolveRoute) -> Reply:
        """Find a route."""
        routing = self._resources.routing
        return await routing.resolve(message.request_id, message.forward_path, message.expand)

    async def _client(self, message: ResolveClient) -> Reply:
        """Find the name of a client."""
        try:
            name, resolve = await name_of(self._resources.dns, message.address)
        except ValueError:
            name, resolve = "", "FAIL"
        return ClientResolved(message.request_id, resolve, name)


_FINDERS: Final = {
    CheckAccess: Resolver._check,
    ResolveRoute: Resolver._route,
    ResolveClient: Resolver._client,
}


def _welcome(channel: Channel, hello: Hello) -> None:
    """A peer needs no greeting besides ours."""


async def serve_answers(service: Service) -> None:
    """Run until told to stop; raise what nobody foresaw."""
    resolver = Resolver(service)
    service.on_reload(resolver.reload)
    listener = await serve(service.config.spool("smar/smar.sock"), resolver.channel, mode=0o666)
    service.ready()
    await service.stopping.wait()
    listener.close()
    await resolver.finish()
    resolver.doubt.raise_failure()


def main(argv: list[str] | None = None) -> int:
    """Be the program smar."""
    return run("smar", serve_answers, argv)


if __name__ == "__main__":
    sys.exit(main())

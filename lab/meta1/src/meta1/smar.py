"""smar: the address resolver.  Answers smtps (access, client names) and qmgr (routes).

The shell around `access`, `routing` and `dns`: a socket, the maps of the configuration, and a
memo of last answers that lives for a second, since at a busy moment the same is asked often.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import fields, replace
from operator import attrgetter
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
from meta1.queue.envelope import Outcome
from meta1.smar_rules import Resources, build

MEMORY: Final = 1.0
MAX_REMEMBERED: Final = 5_000
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
        self._memo: dict[tuple[Any, ...], tuple[Callable[..., Reply], tuple[Any, ...]]] = {}
        self._use(service.config, cast(Smar, service.section))

    def _use(self, config: Config, section: Module) -> None:
        """Take a configuration into use."""
        self._resources = build(config, cast(Smar, section), self._service.hostname)
        self._facts = Facts(self._resources)
        self._memo.clear()

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

    def forget(self) -> None:
        """Forget the last answers, once a second."""
        self._memo.clear()
        self._loop.call_later(MEMORY, self.forget)

    async def finish(self) -> None:
        """Let questions under way come to their end, for a while."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=2.0)
        self._resources.close()

    # ---- questions -------------------------------------------------------------------------

    def _asked(self, channel: Channel, message: Message) -> None:
        """Answer from memory, or begin to find out."""
        if not isinstance(message, CheckAccess | ResolveClient | ResolveRoute):
            maillog.trouble("unexpected message", kind=type(message).__name__)
            return
        known = self._memo.get(_question(message))
        if known is not None:
            kind, rest = known
            _send(channel, message, kind(message.request_id, *rest))
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
        """Find the answer, send it, and remember it if it was certain."""
        find = cast(Callable[[Resolver, Message], Awaitable[Reply]], _FINDERS[type(message)])
        answer = await find(self, message)
        _send(channel, message, answer)
        if _is_certain(answer) and len(self._memo) < MAX_REMEMBERED:
            self._memo[_question(message)] = type(answer), _ANSWERED[type(answer)](answer)

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


def _fields(kind: type[Any], *without: str) -> Callable[[Any], tuple[Any, ...]]:
    """Make the function that gives the fields of a message, but for some."""
    get = attrgetter(*[one.name for one in fields(kind) if one.name not in without])
    return get if len(fields(kind)) > len(without) + 1 else lambda message: (get(message),)


_ASKED: Final = {
    CheckAccess: _fields(CheckAccess, "request_id"),
    ResolveRoute: _fields(ResolveRoute, "request_id", "transaction_id"),
    ResolveClient: _fields(ResolveClient, "request_id"),
}
_ANSWERED: Final = {
    kind: _fields(kind, "request_id") for kind in (AccessChecked, RouteResolved, ClientResolved)
}


def _question(message: Question) -> tuple[Any, ...]:
    """What is asked, without who asks: the same question has the same answer."""
    kind = type(message)
    return kind, _ASKED[kind](message)


def _send(channel: Channel, message: Question, answer: Reply) -> None:
    """Answer; a route is a fact in the life of a message and goes into the log."""
    channel.send(answer)
    if isinstance(message, ResolveRoute) and isinstance(answer, RouteResolved):
        hops = {one.next_hop.key for one in answer.targets}
        maillog.routed(
            message.transaction_id, to=message.forward_path, host=" ".join(sorted(hops)),
            code=answer.code or None, status=answer.enhanced_code, text=answer.text,
        )  # fmt: skip


def _is_certain(answer: Reply) -> bool:
    """Tell whether the same answer would be given a moment later."""
    match answer:
        case RouteResolved():
            return answer.outcome is not Outcome.RETRY and len(answer.targets) <= 10
        case ClientResolved():
            return answer.resolve != "TEMP"
        case AccessChecked():
            return answer.code != 451


def _welcome(channel: Channel, hello: Hello) -> None:
    """A peer needs no greeting besides ours."""


async def serve_answers(service: Service) -> None:
    """Run until told to stop; raise what nobody foresaw."""
    resolver = Resolver(service)
    service.on_reload(resolver.reload)
    listener = await serve(service.config.spool("smar/smar.sock"), resolver.channel, mode=0o666)
    resolver.forget()
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

"""The running mcp: starts, watches, reloads and stops the processes of the modules.

What to do when is decided in ``meta1.supervision``; this is the hand that does it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from typing import IO

from meta1 import maillog
from meta1.child import Child
from meta1.config import Config, ConfigError, ListenSocket, load
from meta1.daemonize import Starter, notify_systemd
from meta1.listen import PASSFD, bind, pass_path, send_sockets
from meta1.pidfile import Entry, PidFile
from meta1.spawn import CannotStart, Recipe, identity_of, recipes, spawn
from meta1.supervision import Action, Event, Order, State, Supervisor, Times, Watched


class Control:
    """The running mcp."""

    def __init__(self, config: Config, pid_file: PidFile, starter: Starter) -> None:
        self._config = config
        self._pid_file = pid_file
        self._starter = starter
        self._recipes = {each.name: each for each in recipes(config)}
        self._supervisor = Supervisor([_watch(each) for each in self._recipes.values()])
        self._supervisor.times = _times(config)
        self._children: dict[str, Child] = {}
        self._retired: set[Child] = set()
        self._sockets: dict[ListenSocket, socket.socket] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._over = asyncio.Event()
        self._is_announced = False

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop, signal.Signals(number).name)
        loop.add_signal_handler(signal.SIGHUP, self.reload)
        self._do(self._supervisor.start(loop.time()))
        await self._over.wait()

    def bind(self) -> None:
        """Bind every listening socket that is not bound yet; raises OSError."""
        wanted = {
            each for server in self._config.smtps if server.start_action == "pass"
            for each in server.listen_socket
        }  # fmt: skip
        for spec in wanted - self._sockets.keys():
            self._sockets[spec] = bind(spec)
        for spec in self._sockets.keys() - wanted:
            self._sockets.pop(spec).close()

    def _stop(self, why: str) -> None:
        if not self._supervisor.is_ending:
            maillog.stopping(why)
            self._do(self._supervisor.stop(self._now()))

    # -- orders and events --------------------------------------------------------------------

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _do(self, orders: list[Order]) -> None:
        hands: dict[Action, Callable[[str], None]] = {
            Action.SPAWN: self._spawn,
            Action.TERMINATE: lambda name: self._signal(name, signal.SIGTERM),
            Action.KILL: lambda name: self._signal(name, signal.SIGKILL),
        }
        for order in orders:
            hands[order.action](order.name)
        self._arm_timer()
        self._write_list()
        self._announce()
        if self._supervisor.is_ending and self._supervisor.is_down:
            self._over.set()

    def _happened(self, name: str, event: Event) -> None:
        self._do(self._supervisor.happened(name, event, self._now()))

    def _arm_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
        deadline = self._supervisor.next_deadline()
        self._timer = None
        if deadline is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(deadline, self._tick)

    def _tick(self) -> None:
        for each in self._supervisor.watched:
            if each.state is State.STARTING and each.deadline and each.deadline <= self._now():
                maillog.trouble("module_late", module=each.name)
        self._do(self._supervisor.tick(self._now()))

    def _write_list(self) -> None:
        states = {each.name: each.state.value for each in self._supervisor.watched}
        children = [*self._children.values(), *self._retired]
        with contextlib.suppress(OSError):
            self._pid_file.note(
                Entry(each.name, each.pid, each.started, states.get(each.name, "stopping"))
                for each in children
            )

    def _announce(self) -> None:
        """Tell who started mcp, once, when every module has been tried."""
        if self._is_announced or any(each.is_planned for each in self._supervisor.watched):
            return
        self._is_announced = True
        bad = [e.name for e in self._supervisor.watched if e.state is not State.UP]
        if bad:
            maillog.broken("start", f"not serving: {', '.join(bad)}")
        else:
            maillog.ready(modules=len(self._supervisor.watched))
        with self._stderr_for("mcp") as log:
            self._starter.done(bad, log.fileno())
        notify_systemd("READY=1")

    # -- processes ----------------------------------------------------------------------------

    def _spawn(self, name: str) -> None:
        recipe = self._recipes[name]
        reader, writer = os.pipe2(os.O_CLOEXEC)
        try:
            identity = identity_of(recipe.user)
            with self._stderr_for(name) as log:
                process = spawn(recipe, identity, writer, log)
        except (OSError, CannotStart, subprocess.SubprocessError) as error:
            os.close(reader)
            maillog.broken(f"cannot start {name}", error)
            asyncio.get_running_loop().call_soon(self._happened, name, Event.EXIT)
            return
        finally:
            os.close(writer)
        child = Child(name, process, reader, identity.uid)
        self._children[name] = child
        child.watch(self._told, self._ended)
        maillog.module_started(name, child.pid)

    def _stderr_for(self, name: str) -> IO[bytes]:
        """Where the process's standard error goes: ours, or a file in the queue directory."""
        if self._starter.is_foreground:
            return os.fdopen(os.dup(2), "wb")
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        path = self._config.spool(f"{name}.log")
        return os.fdopen(os.open(path, flags, 0o640), "ab")

    def _signal(self, name: str, number: signal.Signals) -> None:
        if child := self._children.get(name):
            child.send(number)

    def _told(self, child: Child, word: str) -> None:
        if self._children.get(child.name) is not child:
            return
        if word == "ready":
            maillog.module_ready(child.name, time.monotonic() - child.born)
            self._happened(child.name, Event.READY)
        elif word == PASSFD:
            task = asyncio.get_running_loop().create_task(self._pass_sockets(child))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass_sockets(self, child: Child) -> None:
        recipe = self._recipes[child.name]
        module = self._config.module(recipe.module)
        path = pass_path(self._config, module, recipe.process)
        try:
            sockets = [self._sockets[each] for each in module.listen_socket]
            await send_sockets(path, child.uid, sockets)
        except (OSError, KeyError) as error:
            maillog.broken(f"cannot pass sockets to {child.name}", error)
            child.send(signal.SIGTERM)

    def _ended(self, child: Child, how: str) -> None:
        is_ours = self._children.get(child.name) is child
        self._retired.discard(child)
        if not is_ours:
            maillog.module_ended(child.name, child.pid, how, expected=True)
            self._do([])
            return
        del self._children[child.name]
        state = self._supervisor.find(child.name).state
        expected = state in (State.STOPPING, State.KILLING)
        maillog.module_ended(child.name, child.pid, how, expected)
        self._happened(child.name, Event.EXIT)
        watched = self._supervisor.find(child.name)
        if watched.state is State.WAITING:
            maillog.module_waits(child.name, watched.wait)

    # -- reload -------------------------------------------------------------------------------

    def reload(self) -> None:
        """Read the file again: start what is new or changed, let the rest reload itself."""
        try:
            config = load(self._config.file)
        except ConfigError as error:
            maillog.not_reloaded(error)
            return
        old_config, self._config = self._config, config
        try:
            self.bind()
        except OSError as error:
            self._config = old_config
            maillog.not_reloaded(error)
            return
        open_mcp_log(config)
        self._do(self._apply(old_config))
        maillog.reloaded()

    def _apply(self, old_config: Config) -> list[Order]:
        old, new = self._recipes, {each.name: each for each in recipes(self._config)}
        for name in old.keys() - new.keys():
            self._retire(name)
        known = {each.name: each for each in self._supervisor.watched}
        self._supervisor.watched = [known.get(name) or _watch(new[name]) for name in new]
        self._supervisor.times = _times(self._config)
        changed = [
            name for name in new
            if old.get(name) != new[name] or self._listens_elsewhere(new[name], old_config)
        ]  # fmt: skip
        self._recipes = new
        for watched in self._supervisor.watched:
            watched.dependencies = new[watched.name].dependencies
            if watched.name not in changed and watched.state is State.UP:
                self._signal(watched.name, signal.SIGHUP)
        return self._supervisor.plan(changed, self._now())

    def _listens_elsewhere(self, recipe: Recipe, old_config: Config) -> bool:
        old = dict(old_config.modules()).get(recipe.module)
        new = self._config.module(recipe.module)
        return old is None or old.listen_socket != new.listen_socket

    def _retire(self, name: str) -> None:
        if child := self._children.pop(name, None):
            self._retired.add(child)
            child.send(signal.SIGTERM)


def _watch(recipe: Recipe) -> Watched:
    return Watched(recipe.name, recipe.module, recipe.dependencies)


def _times(config: Config) -> Times:
    mcp = config.mcp
    return Times(
        start=mcp.start_timeout, stop=mcp.stop_timeout, min_wait=mcp.min_restart_delay,
        max_wait=mcp.max_restart_delay, steady=mcp.steady_time,
    )  # fmt: skip


def open_mcp_log(config: Config) -> None:
    """Log as section ``mcp`` says; without a log section of its own, as the modules do."""
    logs = [config.mcp.log, *(module.log for _, module in config.modules())]
    first = next((each for each in logs if each), None)
    ident = config.mcp.log.ident if config.mcp.log else None
    maillog.open_log(ident or "mcp", config.mcp.log_level, first.facility if first else None)

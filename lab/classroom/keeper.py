"""Keeps one trainee's machine: its commands in turn, those of all trainees a few at a time, and a watch over it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from socket import socket
from typing import ParamSpec, TypeVar

from lab.classroom.events import Events, Wanted, Wish
from lab.classroom.machine import Machine
from lab.errors import LabError, NotUp
from lab.lab import FRESH
from lab.providers.base import Progress

P = ParamSpec("P")
T = TypeVar("T")
DEATHS = 3
DEATH_WINDOW = 180.0
"""A machine that ends by itself more than `DEATHS` times in so many seconds stays as it is."""
log = logging.getLogger("lab.classroom")


class Keeper:
    """One machine. All methods run in the broker's loop; what waits for podman goes to `pool`."""

    def __init__(
        self,
        trainee: str,
        machine: Machine,
        events: Events,
        pool: Executor,
        changed: Callable[[], None],
    ) -> None:
        self.trainee = trainee
        self.state = "absent"
        self._machine = machine
        self._events = events
        self._pool = pool
        self._changed = changed
        self._turn = asyncio.Lock()
        self._pid = 0
        self._watch = -1
        self._deaths: deque[float] = deque(maxlen=DEATHS)
        self._work: set[asyncio.Task[None]] = set()

    # -- commands ------------------------------------------------------------------------------------------------

    async def begin(self) -> None:
        """Take up where a broker before this one stopped; what goes wrong is logged, and `up` may mend it."""
        async with self._turn:
            try:
                await self._in_thread(self._machine.settle)
                await self._attend()
                if self._wish.wanted == "running" and self.state != "running":
                    await self._recover()
            except LabError as error:
                log.error("%s: not taken up: %s", self.trainee, error.message)

    async def up(self, progress: Progress) -> dict[str, object]:
        """Leave it running; answers at once if it does. Raises `LabError`."""
        async with self._turn:
            if self.state != "running":
                self._want("running")
                await self._changing(self._machine.up, progress)
        return self._machine.login()

    async def down(self) -> None:
        """Drop it with the trainee's checkpoints."""
        async with self._turn:
            self._want("absent", "")
            await self._changing(self._machine.down)

    async def cut_power(self) -> None:
        """End it at once, until the next `up`. Raises `NotUp`."""
        async with self._turn:
            if self.state != "running":
                raise NotUp("only a running machine has power to cut", "lab up")
            self._want("stopped")
            await self._changing(self._machine.cut_power)

    async def save(self, name: str) -> None:
        """Keep its state; `fresh` is there already. Raises `LabError`."""
        if name == FRESH:
            return
        async with self._turn:
            await self._in_thread(self._machine.save, name)
            self._want(self._wish.wanted, name)

    async def restore(self, name: str) -> None:
        """Put it back to a checkpoint. Raises `LabError`."""
        async with self._turn:
            if name not in await self._in_thread(self._machine.names):
                await self._in_thread(self._machine.restore, name)  # which says what is wrong
            self._want("running", name)
            await self._changing(self._machine.restore, name)

    async def forget(self, name: str) -> None:
        """Drop one of the trainee's checkpoints."""
        async with self._turn:
            if self._wish.checkpoint == name:
                self._want(self._wish.wanted, "")
            await self._in_thread(self._machine.forget, name)

    async def names(self) -> list[str]:
        """Checkpoints it can be put back to."""
        async with self._turn:
            return await self._in_thread(self._machine.names)

    def connect(self) -> socket:
        """A stream to its sshd. Raises `NotUp`."""
        return self._machine.connect()

    def close(self) -> None:
        """Watch no more; the machine goes on."""
        self._attend_to(0)
        for task in self._work:
            task.cancel()

    # -- the watch -----------------------------------------------------------------------------------------------

    async def _attend(self) -> None:
        """Watch the machine that there is now: its first process is all that is looked at, and costs nothing."""
        pid = await self._in_thread(self._machine.pid)
        self.state = "running" if pid else await self._in_thread(self._machine.state)
        self._attend_to(pid)
        self._changed()

    def _attend_to(self, pid: int) -> None:
        loop = asyncio.get_running_loop()
        if self._watch >= 0:
            loop.remove_reader(self._watch)
            os.close(self._watch)
        self._pid, self._watch = pid, -1
        if pid:
            try:
                self._watch = os.pidfd_open(pid)
            except ProcessLookupError:
                loop.call_soon(self._died)
            else:
                loop.add_reader(self._watch, self._died)

    def _died(self) -> None:
        """Its first process ended; a command of ours that is at work may have wanted that."""
        dead = self._pid
        if self._watch >= 0:
            asyncio.get_running_loop().remove_reader(self._watch)

        async def act() -> None:
            async with self._turn:
                if self._pid == dead:
                    with contextlib.suppress(LabError):  # podman is too slow: `up` asks it again
                        await self._recover()

        task = asyncio.create_task(act())
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def _recover(self) -> None:
        """Have it run again if it is meant to, and tell the trainee."""
        wish, dead = self._wish, self._pid
        if wish.wanted != "running":
            await self._attend()
            return
        self.state = "stopped"
        self._changed()
        if len(self._deaths) == DEATHS and time.monotonic() - self._deaths[0] < DEATH_WINDOW:
            self._want("stopped")
            text = "Your machine keeps ending by itself and was left so. Reset it, or try: lab up"
        else:
            self._deaths.append(time.monotonic())
            try:
                text = await self._in_thread(self._machine.recover, dead, wish.checkpoint)
            except LabError as error:
                log.error("%s: not recovered: %s", self.trainee, error.message)
                text = "Your machine ended and could not be started again. Tell the instructor."
        if text:
            log.info("%s: %s", self.trainee, text)
            self._events.say([self.trainee], text)
        await self._attend()

    # -- how -----------------------------------------------------------------------------------------------------

    @property
    def _wish(self) -> Wish:
        return self._events.wish(self.trainee)

    def _want(self, wanted: Wanted, checkpoint: str | None = None) -> None:
        kept = self._wish.checkpoint if checkpoint is None else checkpoint
        self._events.want(self.trainee, Wish(wanted, kept))

    async def _changing(
        self, function: Callable[P, None], *args: P.args, **kwargs: P.kwargs
    ) -> None:
        """Do what makes another machine, and watch that one, also if it failed."""
        try:
            await self._in_thread(function, *args, **kwargs)
        finally:
            with contextlib.suppress(LabError):
                await self._attend()

    async def _in_thread(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, lambda: function(*args, **kwargs))

"""Starts a trainee's server for JupyterHub: the lab machine by the broker, JupyterLab in a sandbox.

A server is a process of its own session; what the hub must know of it to go on after a restart is its id and when
it started.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator
from typing import Any

from jupyterhub.spawner import Spawner

from lab.classroom import boxes, place, sandbox
from lab.classroom import settings as class_settings
from lab.classroom.client import Broker
from lab.classroom.jupyter.start import LOG
from lab.classroom.net import SERVER_PORT, Link
from lab.classroom.settings import Settings, Trainee
from lab.errors import LabError

BOOT_SECONDS = 300.0
"""For a server to answer: many start at once, on few processors."""
AT_ONCE = asyncio.Semaphore(2 * (os.cpu_count() or 1))
"""Servers that start at the same time; the others wait, so that some are ready soon."""


class Refused(Exception):
    """What JupyterHub shows a trainee whose server did not start."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.jupyterhub_message = message


class SandboxSpawner(Spawner):  # type: ignore[misc]
    """One trainee's JupyterLab in a sandbox."""

    def __init__(self, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.running: boxes.Running | None = None
        self._said: list[str] = []

    # -- what JupyterHub keeps -----------------------------------------------------------------------------------

    def get_state(self) -> dict[str, Any]:
        """What is kept over a restart of the hub."""
        state: dict[str, Any] = super().get_state()
        if self.running:
            state |= {"pid": self.running.pid, "started": self.running.started}
        return state

    def load_state(self, state: dict[str, Any]) -> None:
        """Know a server again that an earlier hub started."""
        super().load_state(state)
        if "pid" in state:
            self.running = boxes.Running(state["pid"], state["started"])

    def clear_state(self) -> None:
        """There is no server."""
        super().clear_state()
        self.running = None

    def get_env(self) -> dict[str, str]:
        """Variables of the server: those of every sandbox, and what JupyterHub tells it."""
        count = len(class_settings.load().trainees)
        return {**super().get_env(), **sandbox.environment(self.user.name, count)}

    # -- what it does --------------------------------------------------------------------------------------------

    async def start(self) -> tuple[str, int]:
        """Have machine and server running; gives the server's address. Raises `Refused`."""
        settings, trainee = self._whose()
        self._said = []
        self.ip, self.port = str(Link.of(settings.network, trainee.number).sandbox), SERVER_PORT
        try:
            self._say("Your lab machine is being started.")
            await asyncio.gather(
                asyncio.to_thread(self._machine_up, trainee), self._server_up(settings, trainee)
            )
        except (LabError, OSError) as error:
            await asyncio.to_thread(boxes.stop, settings, trainee, True)
            raise Refused(str(error)) from error
        await self._tell(trainee, running=True)
        return self.ip, self.port

    async def poll(self) -> int | None:
        """None while the server runs."""
        if self.running and self.running.alive():
            return None
        if self.running:
            self.clear_state()
            with contextlib.suppress(Refused):
                await self._tell(self._whose()[1], running=False)
        return 0

    async def stop(self, now: bool = False) -> None:
        """End the server and all that its sandbox runs."""
        settings, trainee = self._whose()
        await asyncio.to_thread(boxes.stop, settings, trainee, now)
        self.clear_state()
        await self._tell(trainee, running=False)

    async def progress(self) -> AsyncIterator[dict[str, Any]]:
        """What the page shows while one waits."""
        shown = 0
        while True:
            for text in self._said[shown:]:
                shown += 1
                yield {"progress": min(10 * shown, 90), "message": text}
            await asyncio.sleep(0.3)

    # -- how -----------------------------------------------------------------------------------------------------

    def _whose(self) -> tuple[Settings, Trainee]:
        settings = class_settings.load()
        trainee = settings.trainee(self.user.name)
        if not trainee:
            raise Refused("Only trainees have a lab of their own: use the instructor's page.")
        return settings, trainee

    def _say(self, text: str) -> None:
        if not self._said or self._said[-1] != text:
            self._said.append(text)

    def _machine_up(self, trainee: Trainee) -> None:
        broker = Broker(place.instructor_socket())
        broker.ask(
            "machine", lambda step: self._say(f"Machine: {step}"), trainee=trainee.name, verb="up"
        )
        self._say("Your lab machine runs.")

    async def _server_up(self, settings: Settings, trainee: Trainee) -> None:
        async with AT_ONCE:
            self._say("JupyterLab is being started.")
            command = [sandbox.python(), "-m", "lab.classroom.jupyter.start", *self.get_args()]
            self.running = await asyncio.to_thread(
                boxes.start, settings, trainee, self.get_env(), command
            )
            deadline = time.monotonic() + BOOT_SECONDS
            while not await _answers(self.ip, self.port):
                if not self.running.alive():
                    log = place.home(trainee.name) / LOG
                    raise LabError(
                        "JupyterLab ended while it started", f"the instructor finds why in {log}"
                    )
                if time.monotonic() > deadline:
                    raise LabError(
                        f"JupyterLab did not answer within {BOOT_SECONDS:.0f} s", "try again"
                    )
                await asyncio.sleep(0.2)

    async def _tell(self, trainee: Trainee, running: bool) -> None:
        """Let the broker know, for the instructor's page; a broker that is away asks nobody to wait."""
        broker = Broker(place.instructor_socket())
        with contextlib.suppress(LabError):
            await asyncio.to_thread(
                broker.ask, "server", seconds=10.0, trainee=trainee.name, running=running
            )


async def _answers(host: str, port: int) -> bool:
    """Somebody listens there."""
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(host, port), 2.0)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True

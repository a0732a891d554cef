"""Keeps the programs of a class running: started in order, started again with back-off, ended together.

It holds a lock as long as it lives, so `running` needs to trust no process id. When it is killed, its programs end
as well (the kernel sees to it); servers of trainees and lab machines are nobody's children here and go on.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from lab.classroom import place
from lab.classroom import settings as class_settings
from lab.classroom.cgroup import Group
from lab.classroom.marks import Marks
from lab.classroom.services import Service, of_class
from lab.errors import LabError

FIRST, LONGEST = 0.5, 30.0
"""Seconds before a program that ended is started again, at first and at most."""
STEADY = 60.0
"""Seconds that a program must have run for its ends before to be forgotten."""
GRACE_SECONDS = 10.0
MOST_LOG = 8 << 20
"""Bytes of a log that is put aside when the class comes up."""


@dataclass(slots=True)
class State:
    """What is told of a program."""

    name: str
    pid: int = 0
    since: float = 0.0
    """When it was started, seconds of the epoch."""
    restarts: int = 0


def pause(ends: int) -> float:
    """Seconds to wait after so many ends in a row."""
    return float(min(FIRST * 2 ** (ends - 1), LONGEST))


def lock_file() -> Path:
    """Locked while a supervisor lives."""
    return place.hub() / "supervisor.lock"


def running() -> int | None:
    """Process id of the class's supervisor; None if there is none."""
    try:
        with lock_file().open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return None
    except BlockingIOError:
        return int(lock_file().read_text() or 0) or None
    return None


def states() -> list[State]:
    """What the supervisor last wrote of its programs."""
    try:
        return [State(**each) for each in json.loads((place.hub() / "services.json").read_text())]
    except FileNotFoundError:
        return []


def log_of(name: str) -> Path:
    """Log of a program."""
    return place.hub() / "log" / f"{name}.log"


class Supervisor:
    """Runs services until SIGTERM or SIGINT; SIGHUP makes the broker read the roster again."""

    def __init__(self, services: Sequence[Service]) -> None:
        self._services = services
        self._states = {each.name: State(each.name) for each in services}
        self._ending = asyncio.Event()
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._asked: set[str] = set()
        """Programs that we ended to start them anew."""

    async def run(self) -> None:
        """Run them until SIGTERM or SIGINT, then end them, the last started first."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._ending.set)
        loop.add_signal_handler(signal.SIGHUP, self._renew, "broker")
        tasks = [asyncio.create_task(self._keep(each)) for each in self._services]
        await self._ending.wait()
        for task in reversed(tasks):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _keep(self, service: Service) -> None:
        """Run one service again and again."""
        ends = 0
        while True:
            began = time.monotonic()
            code = await self._once(service)
            if service.name in self._asked:
                self._asked.discard(service.name)
                say(f"{service.name} starts anew")
                continue
            ends = 1 if time.monotonic() - began > STEADY else ends + 1
            wait = pause(ends)
            self._states[service.name].restarts += 1
            say(
                f"{service.name} ended ({code}); starts again in {wait:g} s: {log_of(service.name)}"
            )
            await asyncio.sleep(wait)

    def _renew(self, name: str) -> None:
        """Start a program anew, for one that reads class.json only when it starts."""
        if process := self._processes.get(name):
            self._asked.add(name)
            with contextlib.suppress(ProcessLookupError):
                process.terminate()

    async def _once(self, service: Service) -> int:
        """Run it to its end; ended with us."""
        with log_of(service.name).open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                "setpriv",
                "--pdeathsig=KILL",
                *service.argv,
                env={**os.environ, **service.environment},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=place.hub(),
            )
        self._processes[service.name] = process
        state = self._states[service.name]
        state.pid, state.since = process.pid, time.time()
        self._write()
        try:
            return await process.wait()
        finally:
            del self._processes[service.name]
            if process.returncode is None:
                await _end(process)

    def _write(self) -> None:
        target = place.hub() / "services.json"
        new = target.with_suffix(".new")
        new.write_text(json.dumps([asdict(each) for each in self._states.values()], indent=1))
        new.replace(target)


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), GRACE_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()


@contextlib.contextmanager
def only_one() -> Iterator[None]:
    """Hold the lock, with our process id in it. Raises `LabError` if another supervisor lives."""
    with lock_file().open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LabError("the class is up already", "lab class status") from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def say(text: str) -> None:
    """A line of the supervisor's own log."""
    print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}", file=sys.stderr, flush=True)


def main() -> None:
    """Run the programs of the class in this process, in the control group of its services."""
    settings = class_settings.load()
    log_of("supervisor").parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in log_of("supervisor").parent.glob("*.log"):
        if path.stat().st_size > MOST_LOG:
            path.replace(path.with_suffix(".old"))
    group = Group.of(f"{Marks.of().group}/services")
    group.make()
    group.enter(os.getpid())
    with only_one():
        say("the class comes up")
        asyncio.run(Supervisor(of_class(settings)).run())
        say("the class went down")

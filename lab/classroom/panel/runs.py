"""One command of `lab` at a time, run for the panel: its lines as they come, and a way to stop it."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict, dataclass

from lab.classroom.client import Broker
from lab.config import lab_name, state_dir
from lab.errors import LabError

COMMANDS: Mapping[str, bool] = {
    "check": True,
    "hint": True,
    "solve": True,
    "reset": False,
    "goto": False,
}
"""What the panel may run, and whether it has an option ``--exercise``."""
MOST_LINES = 20_000
"""What a run prints beyond this is not kept: the longest notebook has some hundred lines."""
GRACE = 10.0
"""Seconds that a command has to tidy up after it was interrupted."""


class BadOrder(LabError):
    """What the panel was asked to run is none of its commands."""


class Busy(LabError):
    """A command runs already."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to run: ``lab check 3 --exercise``."""

    command: str
    chapter: int
    exercise: bool = False

    @property
    def arguments(self) -> list[str]:
        """The words after `lab`."""
        return [self.command, str(self.chapter), *(["--exercise"] if self.exercise else [])]


def order(body: object) -> Order:
    """The order in a request's JSON. Raises `BadOrder`."""
    if not isinstance(body, dict) or body.keys() - {"command", "chapter", "exercise"}:
        raise BadOrder("an order has a command, a chapter, and exercise: true or false")
    command, number, exercise = (
        body.get("command"),
        body.get("chapter"),
        body.get("exercise", False),
    )
    if not isinstance(command, str) or command not in COMMANDS:
        raise BadOrder("no such command", f"one of: {', '.join(COMMANDS)}")
    if not isinstance(number, int) or isinstance(number, bool) or not 0 < number < 100:
        raise BadOrder("chapter must be a chapter's number")
    if not isinstance(exercise, bool) or (exercise and not COMMANDS[command]):
        raise BadOrder(f"{command} has no exercise: {exercise!r}")
    return Order(command, number, exercise)


class Run:
    """A command that runs, or has ended. Any number may follow it, each from its first line."""

    def __init__(self, what: Order) -> None:
        self.order = what
        self.code: int | None = None
        self.stopped = False
        self._process: asyncio.subprocess.Process | None = None
        self._lines: list[str] = []
        self._news = asyncio.Event()
        self._work = asyncio.create_task(self._run())

    async def follow(self) -> AsyncIterator[dict[str, object]]:
        """``{"order"}``, then ``{"line"}`` for each line as it comes, and at last ``{"code", "stopped"}``."""
        yield {"order": asdict(self.order)}
        seen = 0
        while True:
            news = self._news  # before we look: what comes meanwhile is not missed
            while seen < len(self._lines):
                yield {"line": self._lines[seen]}
                seen += 1
            if self.code is not None:
                yield {"code": self.code, "stopped": self.stopped}
                return
            await news.wait()

    async def stop(self) -> None:
        """Interrupt the command; what does not end by that is killed. Returns when it is gone."""
        if self.code is not None:
            return
        self.stopped = True
        self._signal(signal.SIGINT)
        done, _ = await asyncio.wait([self._work], timeout=GRACE)
        if not done:
            self._signal(signal.SIGKILL)
            await self._work

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            if self._process:
                os.killpg(self._process.pid, number)

    async def _run(self) -> None:
        code = 0
        for arguments in _commands(self.order):
            if code == 0 and not self.stopped:
                self._process = await _started(arguments)
                await self._read(self._process)
                code = await self._process.wait()
        self.code = code
        self._add([])

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        """Take what it prints in pieces: a line may be longer than any reader's limit."""
        assert process.stdout
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        rest = ""
        while data := await process.stdout.read(1 << 14):
            *lines, rest = (rest + decoder.decode(data)).split("\n")
            self._add(lines)
        self._add([rest] if rest else [])

    def _add(self, lines: list[str]) -> None:
        """Keep lines, and wake who follows."""
        self._lines += lines[: MOST_LINES - len(self._lines)]
        self._news.set()
        self._news = asyncio.Event()


class Runs:
    """The one place where the panel's commands are started."""

    def __init__(self) -> None:
        self.last: Run | None = None

    def start(self, what: Order) -> Run:
        """Run it. Raises `Busy` while another runs: two would work on one machine."""
        if self.last and self.last.code is None:
            words = " ".join(self.last.order.arguments)
            raise Busy(f"lab {words} still runs", "wait for its end, or stop it")
        self.last = Run(what)
        return self.last


def _commands(what: Order) -> list[list[str]]:
    """The order, and before it what it needs: the machine of a class is there before its trainee has asked for it."""
    known = (state_dir() / lab_name() / "lab.json").exists()
    return [*([] if known or not Broker.of_sandbox() else [["up"]]), what.arguments]


async def _started(arguments: list[str]) -> asyncio.subprocess.Process:
    """A command of `lab` in a process group of its own."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "lab", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "NO_COLOR": "1", "TERM": "dumb"},
        start_new_session=True,
        preexec_fn=_interruptible,
    )


def _interruptible() -> None:
    """A server that was started in the background of a shell ignores SIGINT, and so would what it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)

"""How a machine is kept, with a process of this host in the machine's place: turns, the watch, and its end."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import cast

from lab.classroom import machine
from lab.classroom.events import Events, Wish
from lab.classroom.keeper import DEATHS, Keeper
from lab.errors import LabError


class Process:
    """As much of a `Machine` as a keeper asks for."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.log: list[str] = []
        self.broken = False
        self._busy = Lock()

    def _do(self, what: str) -> None:
        assert self._busy.acquire(blocking=False), "two commands at the same time"
        self.log.append(what)
        self._busy.release()

    def settle(self) -> None:
        self._do("settle")

    def pid(self) -> int:
        alive = self.process and self.process.poll() is None
        return self.process.pid if self.process and alive else 0

    def state(self) -> str:
        return "running" if self.pid() else "stopped" if self.process else "absent"

    def up(self, _: object = None) -> None:
        self._do("up")
        self.process = subprocess.Popen(["sleep", "100"])

    def login(self) -> dict[str, object]:
        return {}

    def cut_power(self) -> None:
        self._do("cut")
        assert self.process
        self.process.kill()
        self.process.wait()

    def down(self) -> None:
        self._do("down")
        if self.process:
            self.process.kill()
            self.process.wait()
        self.process = None

    def names(self) -> list[str]:
        return ["fresh", "kept"]

    def restore(self, name: str) -> None:
        self.down()
        self._do(f"restore {name}")
        if name not in self.names():
            raise LabError("no such checkpoint")
        self.process = subprocess.Popen(["sleep", "100"])

    def save(self, name: str) -> None:
        self._do(f"save {name}")

    def forget(self, name: str) -> None:
        self._do(f"forget {name}")

    def recover(self, _: int, checkpoint: str) -> str:
        self._do(f"recover {checkpoint}")
        if self.broken:
            raise LabError("it does not start")
        self.process = subprocess.Popen(["sleep", "100"])
        return "It runs again."

    def die(self) -> None:
        assert self.process
        self.process.kill()


def kept(tmp_path: Path, work: Callable[[Keeper, Process, Events], Awaitable[None]]) -> list[str]:
    """What the machine was told to do, but for what is only asked."""
    process = Process()

    async def run() -> None:
        events = Events(tmp_path / "events.sqlite")
        with ThreadPoolExecutor(2) as pool:
            keeper = Keeper("t01", cast("machine.Machine", process), events, pool, lambda: None)
            await keeper.begin()
            await work(keeper, process, events)
            keeper.close()
        events.close()

    try:
        asyncio.run(run())
    finally:
        if process.process:
            process.process.kill()
            process.process.wait()
    return process.log[1:]


async def until(what: Callable[[], object]) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(20):
        while not what():
            await asyncio.sleep(0.01)


def test_a_machine_that_dies_is_recovered_with_its_last_checkpoint(tmp_path: Path) -> None:
    """The trainee is told."""

    async def work(keeper: Keeper, process: Process, events: Events) -> None:
        await keeper.up(lambda _: None)
        await keeper.save("kept")
        process.die()
        await until(lambda: events.messages("t01", 0) and keeper.state == "running")
        assert [each["text"] for each in events.messages("t01", 0)] == ["It runs again."]

    assert kept(tmp_path, work) == ["up", "save kept", "recover kept"]


def test_what_was_meant_to_end_stays_so(tmp_path: Path) -> None:
    """Cut power, dropped, restored: the process that ended had to."""

    async def work(keeper: Keeper, process: Process, events: Events) -> None:
        await keeper.up(lambda _: None)
        await keeper.restore("kept")
        await keeper.cut_power()
        assert events.wish("t01") == Wish("stopped", "kept")
        await keeper.up(lambda _: None)
        await keeper.down()
        await asyncio.sleep(0.3)
        assert keeper.state == "absent" and events.messages("t01", 0) == []

    log = kept(tmp_path, work)
    assert log == ["up", "down", "restore kept", "cut", "up", "down"]


def test_a_machine_that_keeps_dying_is_left(tmp_path: Path) -> None:
    """After a few times; `up` starts it then, as ever."""

    async def work(keeper: Keeper, process: Process, events: Events) -> None:
        await keeper.up(lambda _: None)
        for count in range(DEATHS):
            process.die()
            await until(lambda n=count: len(events.messages("t01", 0)) == n + 1)  # type: ignore[misc]
            await until(lambda: keeper.state == "running")
        process.die()
        await until(lambda: "keeps ending" in str(events.messages("t01", 0)[-1]["text"]))
        assert events.wish("t01").wanted == "stopped"
        await keeper.up(lambda _: None)
        assert keeper.state == "running"

    assert kept(tmp_path, work) == ["up", *["recover "] * DEATHS, "up"]


def test_a_machine_that_cannot_be_started_leaves_the_broker_well(tmp_path: Path) -> None:
    """The trainee is told to ask for help."""

    async def work(keeper: Keeper, process: Process, events: Events) -> None:
        await keeper.up(lambda _: None)
        process.broken = True
        process.die()
        await until(lambda: events.messages("t01", 0))
        assert "Tell the instructor" in str(events.messages("t01", 0)[0]["text"])
        assert keeper.state == "stopped"

    assert kept(tmp_path, work) == ["up", "recover "]


def test_commands_come_one_at_a_time(tmp_path: Path) -> None:
    """Whoever asks, and in the order in which they ask."""

    async def work(keeper: Keeper, _: Process, __: Events) -> None:
        saves = [keeper.save(f"s{n}") for n in range(8)]
        await asyncio.gather(keeper.up(lambda _: None), *saves, keeper.restore("kept"))

    log = kept(tmp_path, work)
    assert log == ["up", *(f"save s{n}" for n in range(8)), "down", "restore kept"]


def test_a_new_broker_takes_up_what_was_meant_to_run(tmp_path: Path) -> None:
    """One that died meanwhile is recovered, one that was stopped is not touched."""
    file = Events(tmp_path / "events.sqlite")
    file.want("t01", Wish("running", "kept"))

    async def nothing(keeper: Keeper, _: Process, events: Events) -> None:
        events.want("t01", Wish("stopped", "kept"))

    assert kept(tmp_path, nothing) == ["recover kept"]
    assert kept(tmp_path, nothing) == []

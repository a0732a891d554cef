"""The supervisor, with programs of the test's own instead of the class's."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.classroom import place, supervisor
from lab.classroom.services import Service
from lab.classroom.supervisor import FIRST, LONGEST, Supervisor
from lab.errors import LabError


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_HOME", str(tmp_path))
    supervisor.log_of("x").parent.mkdir(parents=True)


def until(what: Callable[[], bool]) -> None:
    """Wait for it, at most some seconds."""
    deadline = time.monotonic() + 20
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_pause_grows_and_is_bounded() -> None:
    """A program that cannot start takes no processor from the others."""
    assert [supervisor.pause(ends) for ends in (1, 2, 3)] == [FIRST, 2 * FIRST, 4 * FIRST]
    assert supervisor.pause(40) == LONGEST


def test_a_program_that_ends_is_started_again_and_all_end_together(tmp_path: Path) -> None:
    """Its log is kept, the restart is counted, and a signal ends everything."""
    mark = tmp_path / "mark"
    code = (
        f"import time, pathlib; p = pathlib.Path({str(mark)!r}); first = not p.exists(); p.touch(); "
        "print('began', flush=True); first or time.sleep(60)"
    )
    steady = Service("steady", [sys.executable, "-c", "import time; time.sleep(60)"], {})
    weak = Service("weak", [sys.executable, "-c", code], {})

    async def run() -> list[supervisor.State]:
        running = asyncio.create_task(Supervisor([steady, weak]).run())
        while not (weakly := [s for s in supervisor.states() if s.name == "weak" and s.restarts]):
            await asyncio.sleep(0.05)
        found = supervisor.states()
        while supervisor.log_of("weak").read_text().count("began") < 2:
            await asyncio.sleep(0.05)
        assert weakly[0].restarts == 1
        os.kill(os.getpid(), signal.SIGTERM)
        await running
        return found

    found = asyncio.run(asyncio.wait_for(run(), 30))
    assert {each.name for each in found} == {"steady", "weak"}
    for each in supervisor.states():
        assert not Path(f"/proc/{each.pid}").exists()


def test_only_one_supervises() -> None:
    """The lock says who, and goes with its holder."""
    assert supervisor.running() is None
    with supervisor.only_one():
        assert supervisor.running() == os.getpid()
        with pytest.raises(LabError, match="up already"), supervisor.only_one():
            pass
    assert supervisor.running() is None


def test_programs_end_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    """No hub goes on that nobody watches."""
    code = (
        "import asyncio, sys; from lab.classroom.supervisor import Supervisor; "
        "from lab.classroom.services import Service; "
        "asyncio.run(Supervisor([Service('s', [sys.executable, '-c', 'import time; time.sleep(60)'], {})]).run())"
    )
    pid = os.spawnv(os.P_NOWAIT, sys.executable, [sys.executable, "-c", code])
    until(lambda: bool(supervisor.states()))
    child = supervisor.states()[0].pid
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    until(lambda: not alive(child))
    assert place.hub().exists()


def alive(pid: int) -> bool:
    """It runs; one that waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False

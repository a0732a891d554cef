"""A socket of the broker: who gets an answer, and what becomes of those who mean harm."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.classroom import serve
from lab.classroom.client import Broker
from lab.classroom.protocol import MOST_REQUEST, OF_TRAINEES, Request
from lab.classroom.serve import Channel, Door, Passed
from lab.errors import LabError, NotUp


async def answer(request: Request, channel: Channel) -> object:
    """Does a little of what a broker does."""
    match request.do:
        case "up":
            for step in ("one", "two"):
                channel.say(step)
            return {"user": "lab"}
        case "connect":
            ours, theirs = socket.socketpair()
            with ours:
                ours.sendall(b"SSH-2.0")
            return Passed(theirs)
        case "down":
            raise NotUp("there is none", "lab up")
        case "names":
            raise ZeroDivisionError
        case "cut_power":
            await asyncio.sleep(60)
        case "messages":
            while True:
                await channel.put("x" * (1 << 20))
    return {}


@contextmanager
def opened(folder: Path, uid: int, connections: int = 4) -> Iterator[Path]:
    """A door that answers in a thread of its own; its socket."""
    path = folder / ("long-" * 20) / "broker.sock"
    door = Door(path, uid, OF_TRAINEES, answer, connections)
    ready = threading.Event()
    loops: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def run() -> None:
        server, end = await door.open(), asyncio.Event()
        loops.append((asyncio.get_running_loop(), end))
        ready.set()
        await end.wait()
        server.close()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await asyncio.sleep(0)

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    assert ready.wait(10)
    yield path
    loop, end = loops.pop()
    loop.call_soon_threadsafe(end.set)
    thread.join(10)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A door for us."""
    monkeypatch.setattr(serve, "REQUEST_SECONDS", 0.5)
    monkeypatch.setattr(serve, "ANSWER_SECONDS", 0.5)
    with opened(tmp_path, os.getuid()) as path:
        yield path


def raw(path: Path, data: bytes, wait: Callable[[socket.socket], None] = lambda _: None) -> bytes:
    """All that comes back for some bytes."""
    folder = os.open(path.parent, os.O_PATH)
    with socket.socket(socket.AF_UNIX) as end:
        end.settimeout(10)
        end.connect(f"/proc/self/fd/{folder}/{path.name}")
        os.close(folder)
        end.sendall(data)
        wait(end)
        found = b""
        while more := end.recv(1 << 16):
            found += more
        return found


def test_steps_come_before_the_result(path: Path) -> None:
    """And in their order."""
    steps: list[str] = []
    assert Broker(path).ask("up", steps.append) == {"user": "lab"}
    assert steps == ["one", "two"]


def test_a_stream_is_passed(path: Path) -> None:
    """The client reads what the other end of it wrote."""
    with Broker(path).connect() as stream:
        assert stream.recv(100) == b"SSH-2.0"


def test_an_error_comes_with_its_kind(path: Path) -> None:
    """`NotUp` must be one again: `lab up` goes by it."""
    with pytest.raises(NotUp, match="there is none"):
        Broker(path).ask("down")


def test_a_fault_of_ours_ends_nothing(path: Path) -> None:
    """The one who met it is told so, and the next is answered."""
    with pytest.raises(LabError, match="failed"):
        Broker(path).ask("names")
    assert Broker(path).ask("up")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"{}\n", b'a \\"do\\"'),
        (b"\x00\xff\n", b"no JSON"),
        (b'{"do":"up"', b"no request came within"),
        (b"", b"no request came within"),
        (b"x" * (MOST_REQUEST + 10), b"at most"),
        (b'{"do":"save","name":"../x"}\n', b"a checkpoint"),
    ],
)
def test_bad_input_is_answered_with_an_error(path: Path, data: bytes, says: bytes) -> None:
    """Promptly, whatever it is; and the next is answered."""
    began = time.monotonic()
    assert says in raw(path, data)
    assert time.monotonic() - began < 5
    assert Broker(path).ask("up")


def test_many_at_a_time_are_refused(path: Path) -> None:
    """Those within the number are not disturbed."""
    ends = [socket.socket(socket.AF_UNIX) for _ in range(4)]
    folder = os.open(path.parent, os.O_PATH)
    for end in ends:
        end.connect(f"/proc/self/fd/{folder}/{path.name}")
        end.sendall(b'{"do":"cut_power"}\n')
    os.close(folder)
    with pytest.raises(LabError, match="same time"):
        Broker(path).ask("up")
    for end in ends:
        end.close()


def test_who_does_not_read_is_left(path: Path) -> None:
    """What is not read is not kept for ever, and does not hold up the next."""
    folder = os.open(path.parent, os.O_PATH)
    with socket.socket(socket.AF_UNIX) as end:
        end.connect(f"/proc/self/fd/{folder}/{path.name}")
        os.close(folder)
        end.sendall(b'{"do":"messages","since":0}\n')
        assert Broker(path).ask("up")
        with pytest.raises(BrokenPipeError):
            for _ in range(100):
                time.sleep(0.1)
                end.sendall(b"x")


def test_another_user_gets_no_answer(tmp_path: Path) -> None:
    """The same request that its own user gets an answer to; only the uid differs."""
    with opened(tmp_path / "ours", os.getuid()) as path:
        assert Broker(path).ask("up")
    if os.getuid():
        return
    with opened(tmp_path / "theirs", 63001) as path, pytest.raises(NotUp):
        Broker(path).ask("up")


def test_only_its_user_could_open_the_socket(tmp_path: Path) -> None:
    """Folder and socket are closed to all but root and the group, and only root could put another in its place."""
    with opened(tmp_path, os.getuid()) as path:
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o750
        assert stat.S_IMODE(path.stat().st_mode) == 0o660

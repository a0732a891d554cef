"""The commit thread, and what the loop writes without it: the same records in the same order."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from meta1.queue import defedb, ibdb, pace
from meta1.queue.commit import Batch, CommitThread
from meta1.queue.defedb import DeferredWriter
from meta1.queue.ibdb import Journal, read_all


class Disk:
    """Counts syncs by the thread that does them; slow or broken if a test wants it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.by: list[str] = []
        self.fault: OSError | None = None
        self.gate = threading.Event()
        self.gate.set()
        self._real = os.fdatasync
        monkeypatch.setattr(ibdb.os, "fdatasync", self._sync)

    def _sync(self, descriptor: int) -> None:
        self.by.append(threading.current_thread().name)
        self.gate.wait(10)
        if self.fault is not None:
            raise self.fault
        self._real(descriptor)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    """The disk below the journal; whatever it takes counts as quick."""
    monkeypatch.setattr(pace, "QUICK", 60.0)
    return Disk(monkeypatch)


class Queue:
    """A journal in a folder with its thread, in a running loop."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.failures: list[OSError] = []
        self.told: list[str] = []
        defedb.create(folder)
        self.thread = CommitThread(
            Journal(folder, 1 << 20), DeferredWriter(folder), self.failures.append, lambda: None
        )
        self.thread.start(asyncio.get_running_loop())

    def add(self, name: str, *notes: str) -> Batch:
        """Make a batch with a message that somebody waits for."""
        return Batch(
            adds=[(name.encode(), lambda segment: self.told.append(f"{name} {bool(segment)}"))],
            notes=[each.encode() for each in notes],
        )

    def on_disk(self) -> list[bytes]:
        """All records, as a restart would read them."""
        return [record for segment in read_all(self.folder) for record in segment.records]

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait for the thread."""
        async with asyncio.timeout(10):
            while not is_so():
                await asyncio.sleep(0.001)


def run(folder: Path, work: Callable[[Queue], Coroutine[Any, Any, None]]) -> None:
    """Run a test in a loop of its own."""

    async def whole() -> None:
        queue = Queue(folder)
        await work(queue)
        queue.thread.stop()

    asyncio.run(whole())


def test_the_first_sync_is_the_threads_and_lone_ones_are_the_loops(
    tmp_path: Path, disk: Disk
) -> None:
    """Nothing is known of a disk at first; then a lone message is safe before `submit` returns."""

    async def work(queue: Queue) -> None:
        queue.thread.submit(queue.add("one"))
        assert queue.told == []
        await queue.until(lambda: queue.told == ["one True"])
        queue.thread.submit(queue.add("two", "note"))
        assert queue.told == ["one True", "two True"]
        assert queue.on_disk() == [b"one", b"note", b"two"]

    run(tmp_path, work)
    assert disk.by[:2] == ["commit", "MainThread"]


def test_nobody_overtakes_the_thread(tmp_path: Path, disk: Disk) -> None:
    """While it has a batch all later ones wait behind it, and share one sync."""

    async def work(queue: Queue) -> None:
        disk.gate.clear()
        queue.thread.submit(queue.add("one"))
        await queue.until(lambda: len(disk.by) == 1)
        for name in ("two", "three", "four"):
            queue.thread.submit(queue.add(name))
        queue.thread.submit(Batch(notes=[b"note"]))
        disk.gate.set()
        await queue.until(lambda: len(queue.told) == 4)
        assert queue.on_disk() == [b"one", b"note", b"two", b"three", b"four"]

    run(tmp_path, work)
    assert disk.by[:2] == ["commit", "commit"]


def test_several_at_once_are_the_threads(tmp_path: Path, disk: Disk) -> None:
    """With company the loop goes on while the disk works."""

    async def work(queue: Queue) -> None:
        queue.thread.submit(queue.add("one"))
        await queue.until(lambda: len(queue.told) == 1)
        both = queue.add("two")
        both.merge(queue.add("three"))
        queue.thread.submit(both)
        assert len(queue.told) == 1
        await queue.until(lambda: len(queue.told) == 3)

    run(tmp_path, work)
    assert disk.by[:2] == ["commit", "commit"]


def test_a_slow_disk_is_the_threads(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop never waits for a disk that was slow; notes alone need no sync and no thread."""
    monkeypatch.setattr(pace, "QUICK", 0.0)

    async def work(queue: Queue) -> None:
        for count, name in enumerate(("one", "two", "three"), 1):
            queue.thread.submit(queue.add(name))
            await queue.until(lambda count=count: len(queue.told) == count)  # type: ignore[misc]
        queue.thread.submit(Batch(notes=[b"note"]))
        assert queue.on_disk()[-1] == b"note"

    run(tmp_path, work)
    assert disk.by[:3] == ["commit"] * 3


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_a_fault_of_the_disk_in_the_loop(tmp_path: Path, disk: Disk, number: int) -> None:
    """A full disk refuses and goes on; any other fault ends all writing, the thread's too."""

    async def work(queue: Queue) -> None:
        queue.thread.submit(queue.add("one"))
        await queue.until(lambda: len(queue.told) == 1)
        disk.fault = OSError(number, os.strerror(number))
        queue.thread.submit(queue.add("two", "note"))
        disk.fault = None
        is_full = number == errno.ENOSPC
        assert [each.errno for each in queue.failures] == ([] if is_full else [number])
        assert queue.told[1:] == (["two False"] if is_full else [])
        queue.thread.submit(queue.add("three"))
        if is_full:
            await queue.until(lambda: queue.told[1:] == ["two False", "three True"])
            assert queue.on_disk() == [b"one", b"note", b"three"]
        else:
            await asyncio.sleep(0.05)
            assert "three True" not in queue.told and b"three" not in queue.on_disk()

    run(tmp_path, work)

"""The content database: what `done` promises is on disk and can be read, and only that."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from meta1.queue import cdb as module
from meta1.queue import pace
from meta1.queue.cdb import LARGE, SEGMENT, Cdb, is_full
from meta1.queue.content_file import ContentFile
from meta1.queue.envelope import Content


def run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run one coroutine in a loop of its own."""
    asyncio.run(work())


def promise() -> tuple[asyncio.Future[OSError | None], Callable[[OSError | None], None]]:
    """Make something to wait for and the callback that ends the waiting."""
    future: asyncio.Future[OSError | None] = asyncio.get_running_loop().create_future()
    return future, future.set_result


def read(spool: Path, content: Content) -> bytes:
    """Read a record, after checking it."""
    file = ContentFile(spool, content)
    try:
        assert file.is_intact()
        return file.read(0, content.length)
    finally:
        file.close()


def test_small_mails(spool: Path) -> None:
    """Many mails share a file; each is read back; one directory entry is made."""

    async def work() -> None:
        store = Cdb(spool, 3)
        waits, contents = [], []
        for number in range(200):
            future, done = promise()
            contents.append(store.append(b"mail %d\r\n" % number * 10, 5, done))
            waits.append(future)
        assert await asyncio.gather(*waits) == [None] * 200
        assert len({content.path for content in contents}) == 1
        assert contents[0].path.startswith("cdb/03-") and contents[0].header_length == 5
        for number, content in enumerate(contents):
            assert read(spool, content) == b"mail %d\r\n" % number * 10
        store.close()

    run(work)
    (file,) = (spool / "cdb").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert file.stat().st_size < SEGMENT


def test_readable_before_synced(spool: Path) -> None:
    """Who learns the place of a record may read it at once, synced or not."""

    async def work() -> None:
        store = Cdb(spool, 0)
        future, done = promise()
        content = store.append(b"now", 0, done)
        assert read(spool, content) == b"now"
        await future
        store.close()

    run(work)


def test_group_commit(spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred mails that come while the disk is busy cost one more sync, not a hundred."""
    syncs: list[int] = []
    begun, go_on = threading.Event(), threading.Event()
    real = os.fdatasync

    def slow(descriptor: int) -> None:
        syncs.append(descriptor)
        begun.set()
        go_on.wait(10)
        real(descriptor)

    async def work() -> None:
        store = Cdb(spool, 0)
        gate, done = promise()
        store.append(b"first", 0, done)
        await asyncio.to_thread(begun.wait, 10)
        waits = []
        for _ in range(100):
            future, done = promise()
            store.append(b"x", 0, done)
            waits.append(future)
        go_on.set()
        await asyncio.gather(gate, *waits)
        store.close()

    monkeypatch.setattr(module.os, "fdatasync", slow)
    run(work)
    assert len(syncs) <= 3  # the first, the hundred, and one at the close


def test_a_lone_mail_on_a_quick_disk_needs_no_thread(
    spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is synced in the loop, behind what leaves at the end of the same turn; two are not."""
    monkeypatch.setattr(pace, "QUICK", 60.0)
    by: list[str] = []
    told: list[str] = []
    real = os.fdatasync

    def sync(descriptor: int) -> None:
        by.append(threading.current_thread().name)
        told.append("sync")
        real(descriptor)

    async def work() -> None:
        store, loop = Cdb(spool, 0), asyncio.get_running_loop()
        for count in (1, 1, 2, 1):
            waits = []
            for _ in range(count):
                future, done = promise()
                store.append(b"mail", 0, done)
                waits.append(future)
            loop.call_soon(told.append, "sent")
            assert await asyncio.gather(*waits) == [None] * count
        store.close()

    monkeypatch.setattr(module.os, "fdatasync", sync)
    run(work)
    assert by[:4] == ["cdb-commit", "MainThread", "cdb-commit", "MainThread"]
    assert told[2:4] == ["sent", "sync"]


def test_a_lone_mail_whose_sync_fails(spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not accepted, and the process hears that the disk is in doubt."""
    monkeypatch.setattr(pace, "QUICK", 60.0)
    broken: list[OSError] = []

    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, "bad disk")

    async def work() -> None:
        store = Cdb(spool, 0, on_broken=broken.append)
        future, done = promise()
        store.append(b"one", 0, done)
        assert await future is None
        monkeypatch.setattr(module.os, "fdatasync", fail)
        future, done = promise()
        store.append(b"two", 0, done)
        error = await future
        assert error is not None and error.errno == errno.EIO
        monkeypatch.undo()
        store.close()

    run(work)
    assert [each.errno for each in broken] == [errno.EIO]


def test_segments_change(spool: Path) -> None:
    """A full segment is sealed, behind its last mail, and cut to its length."""
    sealed: list[str] = []

    async def work() -> None:
        store = Cdb(spool, 0, on_seal=sealed.append)
        contents, waits = [], []
        for _ in range(40):
            future, done = promise()
            contents.append(store.append(b"x" * (LARGE - 1), 0, done))
            waits.append(future)
        await asyncio.gather(*waits)
        paths = list(dict.fromkeys(content.path for content in contents))
        assert len(paths) == 3 and sealed == paths[:2]
        assert store.leftover(lambda index: index == 0) == sealed
        assert store.leftover(lambda index: index == 1) == []
        for content in contents:
            assert len(read(spool, content)) == LARGE - 1
        assert store.remove(paths[0])
        store.close()
        assert sealed == paths
        assert not (spool / paths[0]).exists()
        assert (spool / paths[1]).stat().st_size < SEGMENT

    run(work)


def test_names_never_come_again(spool: Path) -> None:
    """A later run, even with the clock set back, uses other names."""
    (spool / "cdb" / "00-00FFFFFFFF").touch()
    (spool / "cdb" / "notes.txt").touch()

    async def work() -> None:
        store = Cdb(spool, 0)
        future, done = promise()
        content = store.append(b"x", 0, done)
        await future
        assert content.path == "cdb/00-0100000000"
        assert store.leftover(lambda index: True) == ["cdb/00-00FFFFFFFF"]
        store.close()

    run(work)


def test_large_mail(spool: Path) -> None:
    """A large mail has a file of its own and is left over only when it is finished."""
    sealed: list[str] = []

    async def work() -> None:
        store = Cdb(spool, 0, on_seal=sealed.append)
        large = store.begin_large()
        for piece in (b"a" * LARGE, b"b" * LARGE):
            large.write(piece)
        assert store.leftover(lambda index: True) == []
        future, done = promise()
        content = large.finish(7, done)
        store.end_large(large.name)
        assert await future is None
        assert read(spool, content) == b"a" * LARGE + b"b" * LARGE
        assert sealed == [large.name] and content.path == large.name
        store.close()

    run(work)


def test_aborted_large_mail(spool: Path) -> None:
    """A refused mail leaves nothing behind."""

    async def work() -> None:
        store = Cdb(spool, 0)
        large = store.begin_large()
        large.write(b"x")
        large.abort()
        store.close()

    run(work)
    assert list((spool / "cdb").iterdir()) == []


@pytest.mark.parametrize("name", ["cdb/../x", "x", "cdb/x", "/etc/passwd", "cdb/00-1", ""])
def test_remove_refuses_other_names(spool: Path, name: str) -> None:
    """No message of a peer can make smtps unlink another file."""

    async def work() -> None:
        store = Cdb(spool, 0)
        assert not store.remove(name)
        assert store.remove("cdb/00-0000000001")
        store.close()

    run(work)


def test_full_disk(spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No space: the mail is refused at once and the next one is tried again."""

    def full(descriptor: int, pieces: list[bytes], offset: int) -> int:
        raise OSError(errno.ENOSPC, "no space")

    async def work() -> None:
        store = Cdb(spool, 0)
        future, done = promise()
        one = store.append(b"one", 0, done)
        monkeypatch.setattr(module.os, "pwritev", full)
        with pytest.raises(OSError) as caught:
            store.append(b"two", 0, done)
        assert is_full(caught.value)
        monkeypatch.undo()
        again, done = promise()
        three = store.append(b"three", 0, done)
        await asyncio.gather(future, again)
        assert (read(spool, one), read(spool, three)) == (b"one", b"three")
        assert store.free_space() > 0
        store.close()

    run(work)


@pytest.mark.parametrize("large", [False, True])
def test_failed_sync_is_told(spool: Path, monkeypatch: pytest.MonkeyPatch, large: bool) -> None:
    """After a failed sync nobody knows what is on disk: the waiter and the daemon are told."""
    broken: list[OSError] = []

    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, "disk is gone")

    async def work() -> None:
        store = Cdb(spool, 0, on_broken=broken.append)
        monkeypatch.setattr(module.os, "fdatasync", fail)
        monkeypatch.setattr(module.os, "fsync", fail)
        future, done = promise()
        if large:
            store.begin_large().finish(0, done)
        else:
            store.append(b"x", 0, done)
        error = await future
        assert error is not None and error.errno == errno.EIO
        assert broken == [error]
        store.close()

    run(work)


def test_short_writes(spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that writes only a part at a time gets the rest later."""
    real = os.pwritev

    def short(descriptor: int, pieces: list[bytes], offset: int) -> int:
        return real(descriptor, [b"".join(pieces)[:5]], offset)

    async def work() -> None:
        monkeypatch.setattr(module.os, "pwritev", short)
        store = Cdb(spool, 0)
        future, done = promise()
        content = store.append(b"0123456789" * 10, 0, done)
        await future
        assert read(spool, content) == b"0123456789" * 10
        store.close()

    run(work)


def test_group_of_smtpc(spool: Path) -> None:
    """Files get the group that may read them; a foreign group is an error, not a secret."""
    gid = 12345 if os.geteuid() == 0 else os.getgid()

    async def work() -> None:
        store = Cdb(spool, 0, gid=gid)
        future, done = promise()
        content = store.append(b"x", 0, done)
        await future
        assert (spool / content.path).stat().st_gid == gid
        store.close()

    run(work)


def test_group_not_allowed(spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that cannot be given to smtpc is not used."""

    def refuse(descriptor: int, uid: int, gid: int) -> None:
        raise PermissionError(errno.EPERM, "not yours")

    async def work() -> None:
        monkeypatch.setattr(module.os, "fchown", refuse)
        store = Cdb(spool, 0, gid=12345)
        with pytest.raises(PermissionError):
            store.append(b"x", 0, lambda error: None)
        store.close()

    run(work)

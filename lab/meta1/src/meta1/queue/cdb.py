"""The content database: what was said behind DATA, safe on disk before anyone says 250.

Small mails are appended to a segment file shared by many; one thread calls fdatasync once for all
that came in while it was busy with the sync before (group commit).  A mail that comes alone to a
quick disk is synced in the loop, without the thread.  Large mails get a file of their own.  Only
smtps writes here; qmgr says when a file may go; smtpc reads (`content_file.py`).

A record is written before `append` returns and synced later: who hears of its place may read it.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import queue
import re
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final

from meta1.queue.content_file import HEADER, MAGIC
from meta1.queue.envelope import Content
from meta1.queue.pace import Pace

SEGMENT: Final = 2 * 1024 * 1024
LARGE: Final = 128 * 1024
"""Mails of this size and more get a file of their own, and are not held in memory."""
_MODE: Final = 0o640
_NAME: Final = re.compile(r"([0-9A-F]{2})-([0-9A-F]{10,16})L?")
_MAX_BATCH: Final = 512
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

Done = Callable[[OSError | None], None]
"""Called in the loop: None once the content is on disk, or why it is not."""
Result = tuple[Done, OSError | None]


def is_full(error: OSError) -> bool:
    """Say whether space is missing: the mail is refused for now, nothing else is in doubt."""
    return error.errno in _FULL


@dataclass(slots=True)
class _Segment:
    """A file being filled."""

    path: Path
    descriptor: int
    end: int = 0
    is_listed: bool = False
    """Its name in the directory is on disk too; belongs to who syncs."""


@dataclass(frozen=True, slots=True)
class _Job:
    """A sync that somebody waits for; without `done` it is the last one of its segment."""

    segment: _Segment
    done: Done | None = None


class Cdb:
    """The writer of one smtps process; all methods belong to the loop."""

    def __init__(
        self,
        queue_directory: Path,
        index: int,
        *,
        gid: int = -1,
        on_seal: Callable[[str], None] = lambda name: None,
        on_broken: Callable[[OSError], None] = lambda error: None,
    ) -> None:
        """Use `cdb/` below the queue directory; `index` keeps several processes apart.

        After an error told to `on_broken` nobody knows what is on disk: the process must end.
        """
        self.directory = queue_directory / "cdb"
        self._index = index
        self._gid = gid
        self._on_seal = on_seal
        self._on_broken = on_broken
        self._loop = asyncio.get_running_loop()
        self._segment: _Segment | None = None
        self._large: set[str] = set()
        self._number = max([int(time.time()), *self._numbers()])
        self._pace = Pace()
        self._turn: list[_Job] = []
        self._under_way = 0
        """Batches that the thread has: while there are any, nobody else syncs."""
        self._batches: queue.SimpleQueue[list[_Job]] = queue.SimpleQueue()
        self._pool = ThreadPoolExecutor(4, "cdb-sync")
        self._thread = threading.Thread(target=self._commit, name="cdb-commit", daemon=True)
        self._thread.start()

    # ---- what smtps calls ------------------------------------------------------------------

    def append(self, data: bytes, header_length: int, done: Done) -> Content:
        """Write a small mail; `done` is called when it is safe.  Raises OSError."""
        length = len(data)
        segment = self._room_for(HEADER.size + length)
        offset = segment.end + HEADER.size
        header = HEADER.pack(MAGIC, length, zlib.crc32(data))
        _write_all(segment.descriptor, [header, data], segment.end)
        segment.end = offset + length
        self._add(_Job(segment, done))
        return Content(_name(segment.path), offset, length, header_length)

    def begin_large(self) -> LargeContent:
        """Open a file for a mail that is not held in memory; raises OSError."""
        path = self._next_path("L")
        large = LargeContent(self, path, _create(path, self._gid))
        self._large.add(large.name)
        return large

    def leftover(self, is_ours: Callable[[int], bool]) -> list[str]:
        """List the files that nobody writes to any more, of earlier runs too."""
        busy = self._large | ({_name(self._segment.path)} if self._segment else set())
        names = [_name(path) for path, index, _ in self._files() if is_ours(index)]
        return sorted(set(names) - busy)

    def remove(self, name: str) -> bool:
        """Unlink a file that qmgr needs no more; a name that is none of ours is refused."""
        folder, _, base = name.rpartition("/")
        if folder != "cdb" or _NAME.fullmatch(base) is None:
            return False
        self._pool.submit((self.directory / base).unlink, missing_ok=True)
        return True

    def free_space(self) -> int:
        """Tell the bytes that the file system has left for us."""
        status = os.statvfs(self.directory)
        return status.f_bavail * status.f_frsize

    def close(self) -> None:
        """Sync what waits, then stop the threads."""
        self._seal()
        self._hand_over()
        self._batches.put([])
        self._thread.join()
        self._pool.shutdown()

    # ---- for LargeContent ------------------------------------------------------------------

    def sync_large(self, large: LargeContent, done: Done) -> None:
        """Sync a large file beside the commit thread, so that small mails do not wait for it."""

        def sync() -> None:
            results: list[Result] = []
            try:
                large.sync()
                _sync_directory(self.directory)
            except OSError as error:
                results.append((done, error))
            else:
                results.append((done, None))
            self._loop.call_soon_threadsafe(self._finish, results)

        self._pool.submit(sync)

    def end_large(self, name: str) -> None:
        """Let qmgr know, behind the commit, that the file has its one and only mail."""
        self._large.discard(name)
        self._on_seal(name)

    def drop_large(self, name: str) -> None:
        """Remove the file of a mail that was refused."""
        self._large.discard(name)
        self.remove(name)

    # ---- names and places ------------------------------------------------------------------

    def _files(self) -> Iterator[tuple[Path, int, int]]:
        for path in self.directory.iterdir():
            if found := _NAME.fullmatch(path.name):
                yield path, int(found[1], 16), int(found[2], 16)

    def _numbers(self) -> list[int]:
        return [number for _, index, number in self._files() if index == self._index]

    def _next_path(self, suffix: str = "") -> Path:
        # Numbers grow from run to run: a name in qmgr's journal never comes to mean another file.
        self._number += 1
        return self.directory / f"{self._index:02X}-{self._number:010X}{suffix}"

    def _room_for(self, size: int) -> _Segment:
        segment = self._segment
        if segment is None or segment.end + size > SEGMENT:
            self._seal()
            path = self._next_path()
            segment = self._segment = _Segment(path, _create(path, self._gid))
            with contextlib.suppress(OSError):
                # Only saves time: without it each sync also has to note the new length.
                os.posix_fallocate(segment.descriptor, 0, SEGMENT)
        return segment

    def _seal(self) -> None:
        """Write to this segment no more, and give back what it did not use."""
        segment, self._segment = self._segment, None
        if segment is not None:
            self._add(_Job(segment))
            self._on_seal(_name(segment.path))

    # ---- the end of a turn -----------------------------------------------------------------

    def _add(self, job: _Job) -> None:
        """Have a sync done with all others of this turn of the loop."""
        if not self._turn:
            self._loop.call_soon(self._end_turn)
        self._turn.append(job)

    def _end_turn(self) -> None:
        """Sync here what came alone, behind the message to qmgr that leaves at the same time."""
        if self._is_alone():
            self._loop.call_soon(self._sync_here)
        else:
            self._hand_over()

    def _is_alone(self) -> bool:
        """Tell whether there is one mail to sync and nothing to gain by letting others go on."""
        is_one = len(self._turn) == 1 and self._turn[0].done is not None
        return is_one and not self._under_way and self._pace.is_quick

    def _sync_here(self) -> None:
        """Sync in the loop, unless company has come."""
        if not self._is_alone():
            self._hand_over()
            return
        batch, self._turn = self._turn, []
        self._finish(self._write_out(batch))

    def _hand_over(self) -> None:
        """Let the thread sync what this turn has brought."""
        batch, self._turn = self._turn, []
        if batch:
            self._under_way += 1
            self._batches.put(batch)

    def _finished(self, count: int, results: list[Result]) -> None:
        """Hear from the thread."""
        self._under_way -= count
        self._finish(results)

    def _finish(self, results: list[Result]) -> None:
        """Tell in the loop what became of a batch."""
        for done, error in results:
            if error is not None and not is_full(error):
                self._on_broken(error)
            done(error)

    # ---- the commit thread -----------------------------------------------------------------

    def _commit(self) -> None:
        """Take all that wait, sync once for each file, tell the loop once."""
        is_last = False
        while not is_last:
            batches = self._take()
            is_last = not batches[-1]
            results = self._write_out([job for batch in batches for job in batch])
            if not is_last or results:
                self._loop.call_soon_threadsafe(self._finished, len(batches), results)

    def _take(self) -> list[list[_Job]]:
        """Wait for a batch, then take what else is there; an empty one is the last."""
        batches = [self._batches.get()]
        count = len(batches[0])
        while batches[-1] and count < _MAX_BATCH:
            try:
                batches.append(self._batches.get_nowait())
            except queue.Empty:
                break
            count += len(batches[-1])
        return batches

    def _write_out(self, batch: list[_Job]) -> list[Result]:
        """Sync once for each file, and cut those that are full."""
        results: list[Result] = []
        for _, group in groupby(batch, key=lambda job: id(job.segment)):
            jobs = list(group)
            segment = jobs[0].segment
            error = self._sync(segment)
            results += [(job.done, error) for job in jobs if job.done is not None]
            if jobs[-1].done is None:
                _cut(segment)
        return results

    def _sync(self, segment: _Segment) -> OSError | None:
        """Sync a segment, the first time with its name."""
        try:
            with self._pace.timed():
                os.fdatasync(segment.descriptor)
            if not segment.is_listed:
                _sync_directory(self.directory)
                segment.is_listed = True
        except OSError as error:
            return error
        return None


class LargeContent:
    """A mail written to a file of its own as it arrives."""

    def __init__(self, cdb: Cdb, path: Path, descriptor: int) -> None:
        """Begin with room for the header, which is written last."""
        self.name = _name(path)
        self.size = 0
        self._cdb = cdb
        self._descriptor = descriptor
        self._checksum = 0

    def write(self, data: bytes) -> None:
        """Append a piece; raises OSError."""
        _write_all(self._descriptor, [data], HEADER.size + self.size)
        self._checksum = zlib.crc32(data, self._checksum)
        self.size += len(data)

    def finish(self, header_length: int, done: Done) -> Content:
        """Complete the mail; `done` is called when it is safe."""
        self._cdb.sync_large(self, done)
        return Content(self.name, HEADER.size, self.size, header_length)

    def sync(self) -> None:
        """Write the header and sync, in a thread."""
        try:
            header = HEADER.pack(MAGIC, self.size, self._checksum)
            _write_all(self._descriptor, [header], 0)
            os.fsync(self._descriptor)
        finally:
            os.close(self._descriptor)

    def abort(self) -> None:
        """Give the mail up before `finish`."""
        os.close(self._descriptor)
        self._cdb.drop_large(self.name)


def _name(path: Path) -> str:
    """Name a file as envelopes do: relative to the queue directory."""
    return f"cdb/{path.name}"


def _create(path: Path, gid: int) -> int:
    """Make a new file that the group, smtpc's, may read; an old one or a link is an error."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, _MODE)
    try:
        os.fchmod(descriptor, _MODE)
        if gid >= 0:
            os.fchown(descriptor, -1, gid)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _write_all(descriptor: int, pieces: list[bytes], offset: int) -> None:
    """Write pieces one behind the other, also if the system takes only a part at a time."""
    total = sum(map(len, pieces))
    written = os.pwritev(descriptor, pieces, offset)
    if written < total:
        rest = memoryview(b"".join(pieces))
        while written < total:
            written += os.pwrite(descriptor, rest[written:], offset + written)


def _sync_directory(path: Path) -> None:
    """Make new names durable; once a file, so it costs nothing that counts."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _cut(segment: _Segment) -> None:
    """Close a full segment and give back what it did not use."""
    with contextlib.suppress(OSError):
        os.ftruncate(segment.descriptor, segment.end)
    os.close(segment.descriptor)

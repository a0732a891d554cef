"""The journal of the queue (IBDB): segment files of checksummed records, written in batches.

A segment is `ibdb-NNNNNNNNNN`: a header line, then records, each with its length and a CRC-32
that also covers the number of the segment, so that stale blocks never pass for records.  Files
are preallocated; eight zero bytes end the records.  One thread writes (see `commit.py`): a
batch is one `pwrite` and, where somebody waits for it, one `fdatasync`.
"""

from __future__ import annotations

import errno
import os
import re
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MAGIC: Final = b"MeTA1 IBDB 1\n\0\0\0"
_HEADER: Final = struct.Struct("!16sQ")
_FRAME: Final = struct.Struct("!II")
_END: Final = bytes(_FRAME.size)
_NAME: Final = re.compile(r"ibdb-(\d{10})\Z")
MAX_RECORD: Final = 64 * 1024 * 1024
NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Errors after which the disk still works, but this batch is not kept."""


@dataclass(frozen=True, slots=True)
class SegmentRead:
    """What a segment file held."""

    number: int
    records: tuple[bytes, ...]
    damage: str = ""
    """Why reading stopped before the end mark, or empty."""


def frame(number: int, record: bytes) -> bytes:
    """Put length and checksum before a record."""
    return _FRAME.pack(len(record), zlib.crc32(record, number & 0xFFFFFFFF)) + record


def read_segment(number: int, data: bytes) -> SegmentRead:
    """Read all records up to the end mark, the end of the file or the first damage."""
    if len(data) < _HEADER.size or _HEADER.unpack_from(data) != (MAGIC, number):
        return SegmentRead(number, (), "no header" if any(data) else "empty")
    records: list[bytes] = []
    position, damage = _HEADER.size, ""
    while position + _FRAME.size <= len(data):
        length, checksum = _FRAME.unpack_from(data, position)
        if length == 0 and checksum == 0:
            break
        start = position + _FRAME.size
        record = data[start : start + length]
        if length > MAX_RECORD or len(record) < length:
            damage = f"record cut short at byte {position}"
            break
        if zlib.crc32(record, number & 0xFFFFFFFF) != checksum:
            damage = f"wrong checksum at byte {position}"
            break
        records.append(record)
        position = start + length
    return SegmentRead(number, tuple(records), damage)


def segment_path(directory: Path, number: int) -> Path:
    """The file of a segment."""
    return directory / f"ibdb-{number:010d}"


def segment_numbers(directory: Path) -> list[int]:
    """The segments that are there, oldest first; other files are left alone."""
    files = [entry.name for entry in os.scandir(directory) if entry.is_file(follow_symlinks=False)]
    matches = map(_NAME.match, files)
    return sorted(int(match[1]) for match in matches if match)


def read_all(directory: Path) -> Iterator[SegmentRead]:
    """Read every segment, oldest first."""
    for number in segment_numbers(directory):
        yield read_segment(number, segment_path(directory, number).read_bytes())


class Journal:
    """The segment being written; all methods but `open` run in the commit thread."""

    def __init__(self, directory: Path, segment_size: int) -> None:
        """Begin behind the newest segment on disk; the old ones are never written again."""
        numbers = segment_numbers(directory)
        self._directory = directory
        self._size = segment_size
        self._number = numbers[-1] if numbers else 0
        self._offset = 0
        self._file = -1
        self._dirty = False

    @property
    def number(self) -> int:
        """The segment the next record goes to, as far as known."""
        return self._number

    def write(self, records: Iterable[bytes], *, sync: bool) -> int:
        """Append records and give their segment; an OSError means that none of them counts."""
        if self._file < 0 or self._offset >= self._size:
            self._rotate()
        batch = b"".join([frame(self._number, record) for record in records])
        _write_at(self._file, batch + _END, self._offset)
        self._dirty = True
        if sync:
            self.sync()
        self._offset += len(batch)
        return self._number

    def sync(self) -> None:
        """Wait until all that was written is on disk."""
        if self._dirty:
            os.fdatasync(self._file)
            self._dirty = False

    def remove(self, numbers: Iterable[int]) -> None:
        """Delete segments nobody needs; a file that is gone already is fine."""
        for number in numbers:
            segment_path(self._directory, number).unlink(missing_ok=True)

    def close(self) -> None:
        """Finish for good."""
        if self._file >= 0:
            self.sync()
            os.close(self._file)
            self._file = -1

    def _rotate(self) -> None:
        """Go on in a new segment once the old one is whole on disk."""
        fresh = self._create(self._number + 1)
        if self._file >= 0:
            self.sync()
            os.close(self._file)
        self._file, self._number, self._offset = fresh, self._number + 1, _HEADER.size
        self._dirty = False

    def _create(self, number: int) -> int:
        """Make the file, its space and its name safe before the first record goes in."""
        path = segment_path(self._directory, number)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, self._size)
            _write_at(descriptor, _HEADER.pack(MAGIC, number), 0)
            os.fsync(descriptor)
            sync_directory(self._directory)
        except OSError:
            os.close(descriptor)
            path.unlink(missing_ok=True)
            raise
        return descriptor


def _write_at(descriptor: int, data: bytes, offset: int) -> None:
    """Write everything, however little the kernel takes at a time."""
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written


def sync_directory(directory: Path) -> None:
    """Make names that were added or removed safe."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""The content of one message, as smtpc reads it out of the content database.

Before each record lie 16 bytes: magic, length, CRC-32.  Envelope and content are synced at the same
time by two processes, so after a crash an envelope may be there whose content is not: nobody was
told 250 for it, and the record shows it.
"""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path
from typing import Final

from meta1.queue.envelope import Content

HEADER: Final = struct.Struct("!4sQI")
MAGIC: Final = b"CDB1"
_PIECE: Final = 256 * 1024
_SMALL: Final = 128 * 1024
"""A record of this size is kept by the check, so that it is read only once."""


class ContentFile:
    """One record, open for reading; raises OSError if the file is not there."""

    __slots__ = ("_content", "_descriptor", "_whole")

    def __init__(self, queue_directory: Path, content: Content) -> None:
        """Open the file that the envelope names; a link in its place is not followed."""
        self._content = content
        self._whole: bytes | None = None
        self._descriptor = os.open(
            queue_directory / content.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        )

    def is_intact(self) -> bool:
        """Check magic, length and CRC-32, piece by piece."""
        offset, expected = self._content.offset - HEADER.size, self._content.length
        if offset < 0:
            return False
        rest = expected if expected <= _SMALL else 0
        record = os.pread(self._descriptor, HEADER.size + rest, offset)
        if len(record) < HEADER.size:
            return False
        magic, length, wanted = HEADER.unpack_from(record)
        if magic != MAGIC or length != expected:
            return False
        if rest:
            self._whole = record[HEADER.size :]
            return len(self._whole) == expected and zlib.crc32(self._whole) == wanted
        found = position = 0
        while piece := self.read(position, _PIECE):
            found = zlib.crc32(piece, found)
            position += len(piece)
        return bool(position == length and found == wanted)

    def read(self, position: int, size: int) -> bytes:
        """Read from a position within the content; empty at its end."""
        if self._whole is not None:
            return self._whole[position : position + size]
        rest = max(0, min(size, self._content.length - position))
        return os.pread(self._descriptor, rest, self._content.offset + position) if rest else b""

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

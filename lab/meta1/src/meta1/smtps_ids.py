"""Session and transaction ids: `S`, 16 hex digits of a counter, 2 hex digits of the process.

The counter must not start again with the process, so blocks of numbers are taken from a file; what
is left of a block when the process ends is never used.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

BLOCK: Final = 1 << 20
_LAST: Final = (1 << 64) - 1


class Ids:
    """The numbers of one smtps process."""

    def __init__(self, path: Path, process: int) -> None:
        """Take the first block; raises OSError."""
        self._path = path
        self._process = process
        self._next = self._end = _read(path)
        self._take_block()

    def next(self) -> str:
        """Give an id that was never given before."""
        if self._next == self._end:
            self._take_block()
        self._next += 1
        return f"S{self._next & _LAST:016X}{self._process & 0xFF:02X}"

    def _take_block(self) -> None:
        """Note on disk that the next block is used, before the first of it is."""
        self._end = self._next + BLOCK
        new = self._path.with_name(self._path.name + ".new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        try:
            os.write(descriptor, b"%d\n" % self._end)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        new.rename(self._path)


def _read(path: Path) -> int:
    """Read where the last run ended; without a file start where no earlier run can have been."""
    try:
        number = int(path.read_bytes()[:32])
    except (FileNotFoundError, ValueError):
        number = -1
    return number if 0 <= number < _LAST - BLOCK else int(time.time()) << 20

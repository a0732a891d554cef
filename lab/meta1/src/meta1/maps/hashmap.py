"""The map type `hash`: a Berkeley DB file that may be rebuilt while we run."""

from __future__ import annotations

import asyncio
from pathlib import Path

from meta1 import maillog
from meta1.maps.base import NOT_FOUND, Answer, MapFailure, Status
from meta1.maps.berkeley import BadDatabase, HashFile, identity


class HashMap:
    """Keys are looked up in lower case, as createmap and makemap write them."""

    def __init__(self, name: str, path: Path, *, optional: bool = False) -> None:
        """Use this file; an optional one may be missing and then has nothing in it."""
        self.name = name
        self._path = path
        self._optional = optional
        self._file: HashFile | None = None
        self._is_broken = False
        self._bad: tuple[int, ...] | None = None
        """The file that could not be opened: it is not tried again as long as it is the same."""
        self._opening = asyncio.Lock()

    async def lookup(self, key: str) -> Answer:
        """Look a key up in the file as it is now."""
        try:
            file = await self._current()
            value = None if file is None else file.find(key.lower())
        except BadDatabase as error:
            self.close()
            if not self._is_broken:
                maillog.map_failed(self.name, error)
            self._is_broken = True
            raise MapFailure(f"map {self.name} cannot be read") from error
        self._is_broken = False
        return NOT_FOUND if value is None else Answer(Status.OK, value)

    async def _current(self) -> HashFile | None:
        """The open file, opened anew if another one has taken its place."""
        if self._is_missing():
            return None
        if self._file is not None and self._file.identity == identity(self._path):
            return self._file
        async with self._opening:
            return await self._opened()

    def _is_missing(self) -> bool:
        """Tell whether there is no file and need not be one."""
        if not self._optional or self._path.exists():
            return False
        self.close()
        return True

    async def _opened(self) -> HashFile:
        """Open the file as it is now, unless whoever had the lock before has done so.

        In a thread: a damaged file may keep the one that verifies it for half a minute, and only
        who asks this very map shall wait for that.  Raises `BadDatabase`, at once if it has been
        tried with this very file.
        """
        found = identity(self._path)
        if self._file is not None and self._file.identity == found:
            return self._file
        if found == self._bad:
            raise BadDatabase(f"{self._path}: damaged")
        self.close()
        try:
            self._file = await asyncio.to_thread(HashFile, self._path)
        except BadDatabase:
            self._bad = found
            raise
        maillog.map_opened(self.name, file=self._path)
        return self._file

    def close(self) -> None:
        """Close the file; the next lookup opens it again."""
        if self._file is not None:
            self._file.close()
            self._file = None

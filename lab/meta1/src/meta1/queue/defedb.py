"""DEFEDB: the envelopes that wait for another attempt, in one SQLite file.

A row is a whole entry, written anew with each change.  The commit thread writes; the loop of
qmgr reads through a connection of its own.  SQLite (in WAL mode, with full syncs) keeps the
file right through any crash; should it be damaged all the same, qmgr says so and ends rather
than throw mail away.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from meta1.queue.entry import BadRecord, Entry, as_record, from_record

FILE: Final = "defedb.sqlite"
_SCHEMA: Final = """
    CREATE TABLE IF NOT EXISTS deferred (
        transaction_id TEXT PRIMARY KEY,
        next_try REAL NOT NULL,
        held INTEGER NOT NULL,
        path TEXT NOT NULL,
        recipients INTEGER NOT NULL,
        record TEXT NOT NULL
    ) WITHOUT ROWID
"""
_ERRNO: Final = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_CANTOPEN: errno.ENOSPC,
    sqlite3.SQLITE_BUSY: errno.ENOSPC,
}
"""Failures after which the same work may succeed later; all others mean a bad disk."""
_INDEX_TYPES: Final = (str, float, int, str, int)
_FAR: Final = 1e15
"""No moment is later; it also keeps out what is infinite."""
_DAMAGE: Final = (sqlite3.DatabaseError, UnicodeDecodeError)
"""SQLite quotes what it finds, and that need not be UTF-8."""
_PUT: Final = "INSERT OR REPLACE INTO deferred VALUES (?, ?, ?, ?, ?, ?)"


class DamagedStore(RuntimeError):
    """The file is no sound database: an operator must look at it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One deferred message; `record` is empty where only the index was read."""

    transaction_id: str
    next_try: float
    held: bool
    path: str
    recipients: int
    record: str = ""

    def entry(self) -> Entry:
        """The message itself; `BadRecord` if the row does not hold it as `row_of` wrote it."""
        if type(self.record) is not str or not self.record.isascii():
            raise BadRecord("no text")
        try:
            found = from_record(json.loads(self.record))
        except (ValueError, RecursionError) as error:
            raise BadRecord(str(error)) from error
        if found.transaction_id != self.transaction_id:
            raise BadRecord("another message")
        found.is_deferred = True
        return found


def row_of(entry: Entry) -> Row:
    """Write a message as a row, as it is at this moment."""
    count = len(entry.open_recipients())
    text = json.dumps(as_record(entry), separators=(",", ":"))
    path = entry.envelope.content.path
    return Row(entry.transaction_id, entry.next_try, entry.held, path, count, text)


def create(directory: Path) -> None:
    """Make the file if it is not there, and check it if it is."""
    path = directory / FILE
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_NOFOLLOW, 0o600))
    connection = _connect(directory)
    try:
        verdict = connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != ("ok",):
            raise DamagedStore(f"{path}: {verdict[0]}")
        connection.execute(_SCHEMA)
    except _DAMAGE as error:
        raise DamagedStore(f"{path}: {error}") from error
    finally:
        connection.close()


def _connect(directory: Path) -> sqlite3.Connection:
    """Open the file so that a commit is on disk when it returns."""
    path = directory / FILE
    try:
        connection = sqlite3.connect(
            path, isolation_level=None, timeout=30.0, check_same_thread=False
        )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
    except _DAMAGE as error:
        raise DamagedStore(f"{path}: {error}") from error
    return connection


class DeferredWriter:
    """The writing side, for the commit thread alone."""

    def __init__(self, directory: Path) -> None:
        """Open the file, which `create` has made."""
        self._connection = _connect(directory)

    def apply(self, puts: Iterable[Row], removals: Iterable[str] = ()) -> None:
        """Write all of it or nothing; an OSError stands for a full disk."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany(_PUT, [_values(row) for row in puts])
            self._connection.executemany(
                "DELETE FROM deferred WHERE transaction_id = ?", [(one,) for one in removals]
            )
            self._connection.execute("COMMIT")
        except _DAMAGE as error:
            code = getattr(error, "sqlite_errorcode", 0)
            with contextlib.suppress(sqlite3.DatabaseError):
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
            raise OSError(_ERRNO.get(code, errno.EIO), str(error)) from error

    def close(self) -> None:
        """Finish."""
        self._connection.close()


class DeferredReader:
    """The reading side, for the loop of qmgr."""

    def __init__(self, directory: Path) -> None:
        """Open the file, which `create` has made."""
        self._connection = _connect(directory)
        # A byte that is no UTF-8 spoils its own row, not the reading of all.
        self._connection.text_factory = partial(str, encoding="utf-8", errors="surrogateescape")

    def index(self) -> Iterator[Row]:
        """Read everything but the records; `DamagedStore` if a row is none of ours."""
        query = "SELECT transaction_id, next_try, held, path, recipients FROM deferred"
        try:
            for found in self._connection.execute(query):
                if tuple(map(type, found)) != _INDEX_TYPES or not 0 <= found[1] < _FAR:
                    raise DamagedStore(f"{FILE}: a row of other types: {found[0]!r:.80}")
                transaction_id, next_try, held, path, recipients = found
                yield Row(transaction_id, next_try, bool(held), path, recipients)
        except _DAMAGE as error:
            raise DamagedStore(f"{FILE}: {error}") from error

    def load(self, transaction_id: str) -> Entry | None:
        """Read one message; None if it is not there or cannot be read."""
        query = "SELECT * FROM deferred WHERE transaction_id = ?"
        try:
            found = self._connection.execute(query, (transaction_id,)).fetchone()
            return None if found is None else Row(*found).entry()
        except BadRecord:
            return None
        except _DAMAGE as error:
            raise DamagedStore(f"{FILE}: {error}") from error

    def close(self) -> None:
        """Finish."""
        self._connection.close()


def _values(row: Row) -> tuple[str, float, int, str, int, str]:
    """The columns of a row."""
    held = int(row.held)
    return (row.transaction_id, row.next_try, held, row.path, row.recipients, row.record)

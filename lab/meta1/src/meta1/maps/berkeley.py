"""The one place that touches Berkeley DB: reading and writing hash files.

Files made by Postfix (`postmap hash:`) have a NUL behind each key and value, those of sendmail's
makemap and of our createmap have none; both are read.  A file is verified before it is opened,
since the library trusts what it reads: on a damaged page it may search for ever.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from bsddb3 import db

from meta1.maps.base import MAX_VALUE

VERIFY_WITHIN: Final = 30.0
_VERIFY: Final = Path(__file__).with_name("verify.py")


class BadDatabase(Exception):
    """The file is missing, unreadable or no sound hash database."""


class HashFile:
    """An open database; what it stands for is the file it was when it was opened."""

    def __init__(self, path: Path) -> None:
        """Verify and open."""
        self.identity = identity(path)
        _verify(path)
        try:
            self._db: Any = db.DB()
            self._db.open(str(path), dbtype=db.DB_UNKNOWN, flags=db.DB_RDONLY)
        except (db.DBError, OSError) as error:
            raise BadDatabase(f"{path}: {_words(error)}") from error

    def find(self, key: str) -> str | None:
        """Look a key up, with and without the NUL that Postfix adds."""
        raw = key.encode("utf-8", "surrogateescape")
        try:
            value = self._db.get(raw)
            if value is None:
                value = self._db.get(raw + b"\0")
        except db.DBError as error:
            raise BadDatabase(_words(error)) from error
        return None if value is None else _text(value)

    def items(self) -> Iterator[tuple[str, str]]:
        """All keys and values, in no particular order."""
        cursor = self._db.cursor()
        try:
            record = cursor.first()
            while record is not None:
                yield _text(record[0]), _text(record[1])
                record = cursor.next()
        except db.DBError as error:
            raise BadDatabase(_words(error)) from error
        finally:
            cursor.close()

    def close(self) -> None:
        """Close the file."""
        with contextlib.suppress(db.DBError):
            self._db.close()


def _verify(path: Path) -> None:
    """Have the file verified by a process of its own, which damage may kill or hold up."""
    try:
        done = subprocess.run(
            [sys.executable, "-I", str(_VERIFY), str(path)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            timeout=VERIFY_WITHIN, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise BadDatabase(f"{path}: not verified in {VERIFY_WITHIN:.0f} s") from error
    if done.returncode:
        lines = done.stderr.decode("utf-8", "replace").splitlines()
        raise BadDatabase(f"{path}: {lines[-1] if lines else 'verification died'}")


def identity(path: Path) -> tuple[int, ...]:
    """What changes when a map is built anew, in place or by rename, or when others may read it.

    Times alone do not tell: they step by the kernel's tick, and two changes may share one.
    """
    try:
        found = path.stat()
    except OSError as error:
        raise BadDatabase(f"{path}: {error.strerror}") from error
    times = found.st_mtime_ns, found.st_ctime_ns
    return found.st_ino, found.st_size, *times, found.st_mode, found.st_uid, found.st_gid


def write_hash(path: Path, items: Iterable[tuple[str, str]], mode: int = 0o644) -> int:
    """Build a hash file beside the old one and put it in its place at once; count the items."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    count = 0
    database: Any = db.DB()
    try:
        database.open(str(temporary), dbtype=db.DB_HASH, flags=db.DB_CREATE | db.DB_EXCL, mode=mode)
        for key, value in items:
            database.put(key.encode("utf-8"), value.encode("utf-8"))
            count += 1
        database.sync()
        database.close()
        temporary.chmod(mode)
        _sync(temporary)
        temporary.replace(path)
        _sync(path.parent)
    except db.DBError as error:
        raise BadDatabase(f"{path}: {_words(error)}") from error
    finally:
        temporary.unlink(missing_ok=True)
    return count


def _sync(path: Path) -> None:
    """Have a file or directory on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _text(data: bytes) -> str:
    """Take off the NUL of Postfix and read the rest as UTF-8, odd bytes made visible."""
    if len(data) > MAX_VALUE:
        raise BadDatabase("a value is too long")
    if data.endswith(b"\0"):
        data = data[:-1]
    return data.decode("utf-8", "backslashreplace")


def _words(error: Exception) -> str:
    """What the library says, without its number."""
    return str(error.args[-1]) if error.args else type(error).__name__

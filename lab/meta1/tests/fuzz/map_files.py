"""Berkeley DB files damaged in every way, read in a child: the C library trusts what it reads.

The parent damages a file and asks the child for keys; a child that dies,
hangs or grows is a finding.
"""

from __future__ import annotations

import asyncio
import os
import resource
import select
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fuzz.source import Source
from fuzz.target import Run, must
from meta1 import maillog
from meta1.maps.base import MapFailure, Status
from meta1.maps.berkeley import write_hash
from meta1.maps.hashmap import HashMap

SECONDS = 10.0
MEMORY = 1 << 30
KEYS = ("key1", "k0", "to:lab.example", "ü", "", "key1\0", "x" * 300, "key399")
PAGE = 4096
MARKS = (
    b"\0" * 4, b"\xff" * 4, struct.pack("<I", 1), struct.pack("<I", 0xFFFFFF), b"\x61\x15\x06\0",
    b"\x02", b"\x0d", b"\x08",
    struct.pack("<H", 0xFFFF), struct.pack("<H", PAGE), struct.pack("<H", 1),
)  # fmt: skip


def samples(box: Path) -> list[bytes]:
    """Sound files: small, of many pages, with values longer than a page, and empty."""
    sets: tuple[list[tuple[str, str]], ...] = (
        [("key1", "v")], [(f"key{number}", "v" * 100) for number in range(400)],
        [("key1", "x" * 9000), ("k0", "y" * 60000)], [(f"key{number}",
        "z" * (number * 40)) for number in range(200)], [],
    )  # fmt: skip
    found = []
    for items in sets:
        write_hash(box / "sound.db", items)
        found.append((box / "sound.db").read_bytes())
    return found


def damaged(source: Source, data: bytes) -> bytes:
    """Damage that looks at pages: their heads, whole pages, the end of the file, or anything."""
    raw = bytearray(data)
    for _ in range(source.choose((1, 1, 2, 5, 30))):
        page = source.below(max(1, len(raw) // PAGE)) * PAGE
        match source.below(6):
            case 0:  # a field of the head: type, level, links, number of entries, free space
                at, mark = page + source.below(72), source.choose(MARKS)
                raw[at : at + len(mark)] = mark
            case 1:  # the table of offsets behind the head
                at = page + 26 + 2 * source.below(40)
                raw[at : at + 2] = source.noise(2)
            case 2:
                other = source.below(max(1, len(raw) // PAGE)) * PAGE
                raw[page : page + PAGE] = raw[other : other + PAGE]
            case 3:
                at = source.below(len(raw) + 1)
                raw[at : at + 1] = bytes([source.below(256)])
            case 4:
                del raw[source.below(len(raw) + 1) if source.chance(2) else page :]
            case _:
                return source.damaged(bytes(raw), MARKS)
        if not raw:
            break
    return bytes(raw)


def without_tables(data: bytes) -> bytes:
    """All tables of offsets overwritten: the library opens it, and finds what is not there."""
    raw = bytearray(data)
    for page in range(PAGE, len(raw), PAGE):
        raw[page + 28 : page + 32] = b"\xff" * 4
    return bytes(raw)


class _Child:
    """A process that opens maps for us."""

    def __init__(self, path: Path) -> None:
        """Prepare; it is started when it is wanted, and again when it has died."""
        self._path = path
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, data: bytes) -> bytes:
        """Put the file there and have it read; the child's answer, a line."""
        self._path.write_bytes(data)
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-c", "from fuzz.map_files import child; child()",
                str(self._path)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )  # fmt: skip
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()
        readable, _, _ = select.select([self._process.stdout], [], [], SECONDS)
        line = self._process.stdout.readline() if readable else b"hangs"
        if not line.startswith(b"ok"):
            self.stop()
        return line

    def stop(self) -> int:
        """End it."""
        process, self._process = self._process, None
        if process is None:
            return 0
        process.kill()
        for stream in (process.stdin, process.stdout):
            assert stream is not None
            stream.close()
        return process.wait()


def child() -> None:
    """In the child: read the file as smar does, as often as the parent says so."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    maillog._log.level = -1
    path = Path(sys.argv[1])
    for _ in sys.stdin:
        print(asyncio.run(_look_up(path)), flush=True)


async def _look_up(path: Path) -> str:
    """Ask for all keys; each lookup finds, finds not, or fails as a map fails."""
    words = set()
    table = HashMap("m", path)
    for key in KEYS:
        try:
            answer = await table.lookup(key)
        except MapFailure:
            words.add("failed")
        except Exception as error:
            return f"raised {type(error).__name__}: {error}"
        else:
            words.add("found" if answer.status is Status.OK else "missing")
    table.close()
    return f"ok {' '.join(sorted(words))}"


@contextmanager
def open_files(box: Path) -> Iterator[Run]:
    """One child for many files."""
    sound = samples(box)
    reader = _Child(box / "m.db")

    def feed(source: Source) -> None:
        data = source.choose(sound)
        hurt = data if source.chance(40) else damaged(source, data)
        is_nonsense = source.chance(6)
        if is_nonsense:
            hurt = without_tables(sound[1])
        said = reader.ask(hurt)
        if not said.startswith(b"ok"):
            (box / "finding.db").write_bytes(hurt)
        must(said.startswith(b"ok"), "a damaged map", said or b"the reader died")
        if is_nonsense:
            must(said.split() == [b"ok", b"failed"], "a file without its tables is believed", said)
        elif hurt == data:
            must(b"failed" not in said, "a sound map cannot be read", said)

    try:
        yield feed
    finally:
        reader.stop()

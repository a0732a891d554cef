"""A record of the CDB after a crash: what was not synced, or lies elsewhere, is no mail."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from meta1.queue.cdb import Cdb
from meta1.queue.content_file import ContentFile
from meta1.queue.envelope import Content


@pytest.fixture
def record(spool: Path) -> Content:
    """A record on disk."""
    contents: list[Content] = []

    async def work() -> None:
        store = Cdb(spool, 0)
        synced = asyncio.get_running_loop().create_future()
        contents.append(store.append(b"content of a mail\r\n", 0, synced.set_result))
        await synced
        store.close()

    asyncio.run(work())
    return contents[0]


def intact(spool: Path, content: Content) -> bool:
    """Check a record."""
    file = ContentFile(spool, content)
    try:
        return file.is_intact()
    finally:
        file.close()


@pytest.mark.parametrize("position", range(0, 34, 3))
def test_damage_is_found(spool: Path, record: Content, position: int) -> None:
    """Zeros in place of any byte that was not synced show."""
    assert intact(spool, record)
    path = spool / record.path
    data = bytearray(path.read_bytes())
    data[position] ^= 0x55
    path.write_bytes(data)
    assert not intact(spool, record)


@pytest.mark.parametrize("length", [0, 10, 16, 20, 34])
def test_torn_file_is_found(spool: Path, record: Content, length: int) -> None:
    """A file that is too short holds no mail."""
    os.truncate(spool / record.path, length)
    assert not intact(spool, record)


def test_wrong_place(spool: Path, record: Content) -> None:
    """An envelope that points elsewhere finds nothing; a link is not followed."""
    for offset, length in ((0, record.length), (record.offset + 1, 5), (record.offset, 5)):
        assert not intact(spool, Content(record.path, offset, length))
    (spool / "cdb" / "link").symlink_to(spool / record.path)
    with pytest.raises(OSError):
        ContentFile(spool, Content("cdb/link", record.offset, record.length))

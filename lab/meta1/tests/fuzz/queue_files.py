"""Files of the queue, as a crash or a bad disk leaves them: journal, content, DEFEDB."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from fuzz.source import Source
from fuzz.target import Run, must
from meta1.queue import defedb
from meta1.queue.content_file import HEADER, MAGIC, ContentFile
from meta1.queue.defedb import DamagedStore, DeferredReader, DeferredWriter, row_of
from meta1.queue.entry import Entry, as_record, new_entry
from meta1.queue.envelope import NULL_PATH, Content, Envelope, Recipient
from meta1.queue.ibdb import Journal, read_all, read_segment, segment_path
from meta1.queue.records import Replay, added, closed, ended, expanded, moved, pack, reported

WORDS: tuple[Any, ...] = (
    None, True, -1, 2**63, 10**400, float("inf"), float("nan"), 1e400, "", "x", [], {}, [[]],
    [None], "A", "cdb/../../etc/passwd",
    "\ud800", "\0", 0, 1, 2, [0], [-1], ["S1"], [10**9], {"a": 1}, [["a@b", "", ""]], 1.5, "a\r\nb",
)  # fmt: skip
MARKS = (
    b"\0" * 8,
    b"\xff" * 4,
    b"\0\0\0\1",
    b"\0" * 512,
    MAGIC,
    b"MeTA1 IBDB 1\n\0\0\0",
    struct.pack("!II", 2**31, 1),
)


def entry(source: Source, number: int) -> Entry:
    """A message."""
    people = tuple(Recipient(f"r{each}@x.example") for each in range(1 + source.below(3)))
    sender = NULL_PATH if source.chance(4) else "a@lab.example"
    place = Content(f"cdb/00-{number:010d}", 16, 100, 20)
    return new_entry(Envelope(f"S{number:016X}00", sender, people, place), 1000.0 + number)


# ---- the journal ---------------------------------------------------------------------------


def write_journal(source: Source, directory: Path) -> list[list[bytes]]:
    """A journal as qmgr writes it; the records of each segment."""
    for path in directory.iterdir():
        path.unlink()
    journal = Journal(directory, 4096)
    written: dict[int, list[bytes]] = {}
    for number in range(1 + source.below(12)):
        records = [added(entry(source, number)) for _ in range(1 + source.below(3))]
        written.setdefault(journal.write(records, sync=False), []).extend(records)
    journal.close()
    return [written[number] for number in sorted(written)]


def is_prefix(found: tuple[bytes, ...], written: list[bytes]) -> bool:
    """Say whether these are the first of those."""
    return list(found) == written[: len(found)]


@contextmanager
def open_journal(box: Path) -> Iterator[Run]:
    """Segments in a directory, damaged between writing and reading."""
    directory = box / "ibdb"
    directory.mkdir()

    def feed(source: Source) -> None:
        written = write_journal(source, directory)
        number = 1 + source.below(len(written))
        path = segment_path(directory, number)
        whole = path.read_bytes()
        if source.chance(8) and number > 1:
            # A block of an older file, left behind by the file system.
            stale = segment_path(directory, 1).read_bytes()
            hurt = whole[:24] + stale[24:]
        else:
            hurt = source.damaged(whole, MARKS)
        path.write_bytes(hurt)
        found = {segment.number: segment.records for segment in read_all(directory)}
        for each, records in enumerate(written, 1):
            must(is_prefix(found[each], records), "records that nobody wrote", each, hurt == whole)
            must(
                each == number or len(found[each]) == len(records),
                "records of a sound segment lost",
            )
        same = next(
            (at for at, (a, b) in enumerate(zip(whole, hurt, strict=False)) if a != b),
            min(len(whole), len(hurt)),
        )
        must(
            len(found[number]) >= _whole_before(written[number - 1], same),
            "records before the damage lost",
            same,
        )
        _same_when_damaged_twice(source, number, hurt)

    yield feed


def _whole_before(records: list[bytes], offset: int) -> int:
    """Count the records that end before an offset."""
    count, position = 0, 24
    for record in records:
        position += 8 + len(record)
        if position > offset:
            break
        count += 1
    return count


def _same_when_damaged_twice(source: Source, number: int, data: bytes) -> None:
    """Any bytes at all: what is taken for a record has the checksum of one."""
    data = source.damaged(data, MARKS)
    for record in read_segment(number, data).records:
        at = data.find(struct.pack("!II", len(record), zlib.crc32(record, number)) + record)
        must(at > 0, "a record without its checksum", record)


# ---- what the records say ------------------------------------------------------------------


def bent(source: Source, value: Any) -> Any:
    """A JSON value with one part replaced."""
    if isinstance(value, list) and value and not source.chance(4):
        at = source.below(len(value))
        inner = bent(source, value[at])
        if source.chance(12):
            return value[:at] + value[at + 1 :]
        return [*value[:at], inner, *value[at + 1 :]]
    return source.choose(WORDS)


def run_replay(source: Source) -> None:
    """Records with the right checksum and any meaning: the queue that comes of them is one."""
    entries = [entry(source, number) for number in range(1 + source.below(4))]
    records = [added(one) for one in entries]
    for _ in range(source.below(5)):
        one, other = source.choose(entries), source.choose(entries)
        numbers = source.choose(([0], [0, 1], [5], []))
        records.append(
            source.choose((
                closed(one, numbers), ended(one), moved(one), added(one),
                expanded(one, 0, other.recipients), reported(other, one, numbers),
            ))
        )  # fmt: skip
    for _ in range(source.below(4)):
        at = source.below(len(records))
        if source.chance(3):
            records[at] = source.damaged(
                records[at], (b"[", b"]", b"null", b"1e999", b"{", b'"', b"[" * 5000)
            )
        else:
            with contextlib.suppress(ValueError, RecursionError):
                records[at] = pack(bent(source, json.loads(records[at])))
    replay = Replay()
    replay.feed(1, records)
    known = {one.transaction_id for one in entries}
    for name, found in replay.entries.items():
        must(found.transaction_id == name, "another name", name)
        must(found.recipients, "a message to nobody", found)
        check_entry(found)
        # What qmgr writes on must be read back: it is the same queue after the next crash.
        again = Replay()
        again.feed(1, [added(found)])
        must(
            as_record(again.entries[name]) == as_record(found) and not again.unreadable,
            "not read back",
            found,
        )
    must(replay.unreadable or known or not replay.entries, "an entry from nowhere")


def check_entry(found: Entry) -> None:
    """The types that the rest of qmgr relies on."""
    envelope = found.envelope
    texts = (envelope.transaction_id, envelope.reverse_path, envelope.body, envelope.envelope_id,
    envelope.return_part,
             found.prologue, found.epilogue, envelope.content.path)  # fmt: skip
    must(all(type(one) is str for one in texts), "no text", texts)
    marks = (found.is_report, found.is_double_bounce, found.held, envelope.smtputf8)
    must(all(type(one) is bool for one in marks), "neither true nor false", marks)
    place = envelope.content
    must(
        min(place.offset, place.length, place.header_length) >= 0,
        "a place before the beginning",
        place,
    )
    must(
        max(place.offset, place.length, place.header_length) < 2**63,
        "a place that no file has",
        place,
    )
    must(found.arrived == found.arrived and 0 <= found.arrived < 1e18, "no time", found.arrived)
    for one in found.recipients:
        must(one.next_try == one.next_try and 0 <= one.next_try < 1e18, "no time", one)
        must(type(one.attempts) is int and type(one.code) is int, "no number", one)
    json.dumps(as_record(found)).encode("ascii")


# ---- content -------------------------------------------------------------------------------


@contextmanager
def open_content(box: Path) -> Iterator[Run]:
    """Content records: damaged ones must not pass for whole."""
    (box / "cdb").mkdir()
    path = box / "cdb" / "00-0000000001"

    def feed(source: Source) -> None:
        texts = [
            source.noise(source.below(60)) * source.choose((1, 1, 500))
            for _ in range(1 + source.below(3))
        ]
        data, places = b"", []
        for text in texts:
            data += HEADER.pack(MAGIC, len(text), zlib.crc32(text))
            places.append(Content("cdb/00-0000000001", len(data), len(text)))
            data += text
        hurt = source.damaged(data, MARKS) if not source.chance(10) else data
        path.write_bytes(hurt)
        which = source.below(len(texts))
        place = places[which]
        for name in ("offset", "length"):
            if source.chance(6):
                odd = source.choose((0, 1, 15, 16, 2**31, 2**63 - 1, 2**63 - 17, place.length + 1))
                place = replace(place, **{name: odd})
        file = ContentFile(box, place)
        try:
            is_whole = file.is_intact()
            if is_whole and place.length:  # of an empty record nothing can be wrong
                got = file.read(0, place.length)
                is_right = got in texts and len(got) == place.length
                must(is_right, "damaged content passed for whole", place, got[:80])
            elif hurt == data and place == places[which]:
                must(is_whole, "whole content passed for damaged", place)
        except OSError:
            # A place that no file can have; smtpc then tries again later.
            must(place != places[which], "a place in the file is none", place)
        finally:
            file.close()

    yield feed


# ---- DEFEDB --------------------------------------------------------------------------------


@contextmanager
def open_defedb(box: Path) -> Iterator[Run]:
    """The SQLite file: damaged as a whole, or with rows that nobody of us wrote."""
    path = box / defedb.FILE
    sound: dict[int, bytes] = {}

    def fresh(count: int) -> bytes:
        if count not in sound:
            _remove(box)
            defedb.create(box)
            writer = DeferredWriter(box)
            numbers = Source(_Zero())
            writer.apply([row_of(entry(numbers, number)) for number in range(count)])
            writer.close()
            sound[count] = path.read_bytes()
        return sound[count]

    def feed(source: Source) -> None:
        data = fresh(source.choose((0, 3, 60)))
        _remove(box)
        is_file_damage = source.chance(2)
        path.write_bytes(source.damaged(data, MARKS) if is_file_damage else data)
        if not is_file_damage:
            _odd_rows(source, path)
        try:
            _use(box)
        except DamagedStore:
            pass  # qmgr says so and ends, rather than throw mail away
        except OSError:
            must(is_file_damage, "odd rows look like a bad disk")

    yield feed


class _Zero:
    """No choice."""

    def below(self, limit: int) -> int:
        """Always the first."""
        return 0


def _remove(box: Path) -> None:
    """Begin anew."""
    for path in box.glob(f"{defedb.FILE}*"):
        path.unlink()


def _odd_rows(source: Source, path: Path) -> None:
    """Rows of any type: SQLite keeps what it is given."""
    values: tuple[Any, ...] = (None, 1, -1.5, "x", b"\xff\x00", "", 2**62, float("inf"), "S1")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        for number in range(1 + source.below(3)):
            record: Any = json.dumps(bent(source, as_record(entry(source, number))))
            row = [f"S{number:016X}00", 1.0, 0, "cdb/x", 1, record]
            for _ in range(source.below(3)):
                row[source.choose((5, 5, 5, 5, 0, 0, 1, 2, 3, 4))] = source.choose(
                    (*values, "[" * 100_000, "{}", "[]", '"x"', "null")
                )
            with contextlib.suppress(sqlite3.Error):
                connection.execute("INSERT OR REPLACE INTO deferred VALUES (?, ?, ?, ?, ?, ?)", row)
        if source.chance(3):
            connection.execute("UPDATE deferred SET record = CAST(X'ff22' AS TEXT)")
        connection.commit()


def _use(box: Path) -> None:
    """What qmgr does at its start, and the first changes."""
    defedb.create(box)
    reader = DeferredReader(box)
    writer = DeferredWriter(box)
    try:
        for row in reader.index():
            must(type(row.transaction_id) is str and type(row.path) is str, "no text", row)
            must(
                isinstance(row.next_try, float | int) and type(row.recipients) is int,
                "no number",
                row,
            )
            found = reader.load(row.transaction_id)
            if found is not None:
                must(found.transaction_id == row.transaction_id, "another message", row)
                check_entry(found)
        writer.apply([row_of(entry(Source(_Zero()), 7))], ["S000000000000000100"])
    finally:
        writer.close()
        reader.close()

"""Power cuts: stop qmgr before every step on the disk, start it again, and count the mail.

The table of legal states is in doc/QUEUE.md.  What must hold after any cut: a message for which
250 was said is delivered, reported on, or still in the queue; none is there twice for good.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from effort import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from world import LATER, NEVER, PowerCut, Weather, World

from meta1.queue import ibdb
from meta1.queue.defedb import DamagedStore, create
from meta1.queue.entry import as_record, from_record, new_entry
from meta1.queue.envelope import Content, Envelope, Recipient
from meta1.queue.ibdb import Journal, frame, read_all, read_segment
from meta1.queue.records import Replay, added
from meta1.queue.schedule import Limits

LIMITS = Limits(min_retry=100, max_retry=200, warning_timeout=0)


def scenario(world: World) -> None:
    """A day in the queue: delivered, failed, deferred twice, an alias, much of it at once."""
    weather = world.weather
    weather.results |= {"bad@one.test": NEVER, "slow@one.test": LATER, "slower@two.test": LATER}
    for number in range(6):
        world.submit("good@one.test", "bad@one.test", "slow@one.test", name=f"S{number}A")
        world.submit("slower@two.test", name=f"S{number}B")
        world.run()
    world.later(300)
    del weather.results["slow@one.test"]
    world.later(300)
    weather.results.clear()
    world.later(300)


def finish(directory: Path, accepted: set[str], sent: list[tuple[str, str]]) -> World:
    """Start again after the cut with everything working, and deliver what is left."""
    world = World(directory, Weather(), LIMITS, now=1_700_100_000.0)
    world.run()
    world.later(1000)
    sent += world.sent
    assert not world.waiting, "the queue is empty in the end"
    reached = {name for name, _ in sent}
    told = {one for one in accepted if one.endswith("A")}
    for name in accepted:
        assert name in reached, f"{name} was accepted and never delivered"
    for name in told:
        assert (name, "slow@one.test") in sent
    return world


def count_steps(directory: Path) -> int:
    """How many steps the scenario takes when nothing goes wrong."""
    weather = Weather(steps_left=10**6)
    scenario(World(directory, weather, LIMITS, segment_size=2048))
    assert weather.steps_left is not None
    return 10**6 - weather.steps_left


def test_a_cut_before_every_step(tmp_path: Path) -> None:
    """Whatever step comes last, no accepted message is lost and none stays for ever."""
    (tmp_path / "whole").mkdir()
    steps = count_steps(tmp_path / "whole")
    assert steps > 70
    for last in range(steps):
        directory = tmp_path / str(last)
        directory.mkdir()
        world = World(directory, Weather(steps_left=last), LIMITS, segment_size=2048)
        with pytest.raises(PowerCut):
            scenario(world)
        finish(directory, world.accepted, list(world.sent))


def test_duplicates_are_few(tmp_path: Path) -> None:
    """Only what was under way at the cut may be sent twice."""
    for last in range(0, 75, 4):
        directory = tmp_path / str(last)
        directory.mkdir()
        world = World(directory, Weather(steps_left=last), LIMITS, segment_size=2048)
        with pytest.raises(PowerCut):
            scenario(world)
        sent = list(world.sent)
        finish(directory, world.accepted, sent)
        mail = [one for one in sent if one[0].startswith("S")]
        assert len(mail) - len(set(mail)) <= 3


def test_unsynced_tail_may_be_lost_or_torn(tmp_path: Path) -> None:
    """Cut the newest segment anywhere behind the last sync: accepted mail is still there."""
    directory = tmp_path / "q"
    directory.mkdir()
    world = World(directory, Weather(), LIMITS, segment_size=1 << 20)
    world.desk.slots = 0
    names = {world.submit("x@one.test") for _ in range(5)}
    world.run()
    safe = world.journal._offset
    world.desk.slots = 10
    world.run()
    path = ibdb.segment_path(directory / "ibdb", world.journal.number)
    data = path.read_bytes()
    for end in {safe, safe + 3, safe + 9, world.journal._offset - 1}:
        path.write_bytes(data[:end] + os.urandom(20))
        assert World(directory, Weather(), LIMITS).recovered <= names
        path.write_bytes(data[:safe])
        assert World(directory, Weather(), LIMITS).recovered == names


def test_restart_without_a_cut_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    """Deferred and waiting messages are there again, delivered recipients are not."""
    world = World(tmp_path, Weather(), LIMITS)
    world.weather.results["slow@one.test"] = LATER
    first = world.submit("good@one.test", "slow@one.test")
    world.run()
    world.desk.slots = 0
    second = world.submit("x@one.test")
    world.run()
    again = World(tmp_path, Weather(), LIMITS)
    assert again.recovered == {first, second}
    again.later(1000)
    assert sorted(again.sent) == sorted([(first, "slow@one.test"), (second, "x@one.test")])


def test_segments_go_oldest_first(tmp_path: Path) -> None:
    """A message in the oldest segment keeps all of them, until it is written anew."""
    world = World(tmp_path, Weather(), LIMITS, segment_size=1024)
    world.desk.slots = 0
    name = world.submit("x@one.test")
    world.run()
    for _ in range(200):
        other = world.submit("y@two.test")
        world.run()
        world.desk.discard(world.ledger.entries[other])
        world.run()
    assert len(ibdb.segment_numbers(tmp_path / "ibdb")) <= 10
    assert World(tmp_path, Weather(), LIMITS).recovered == {name}


def test_a_full_disk_refuses_and_forgets_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without room a message is refused with 452; what was accepted goes on afterwards."""
    world = World(tmp_path, Weather(), LIMITS, segment_size=600)
    kept = world.submit("x@one.test")
    world.write()
    real = os.posix_fallocate

    def full(*arguments: int) -> None:
        """No room for another segment."""
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "posix_fallocate", full)
    for _ in range(4):
        world.submit("y@two.test")
        world.write()
    refused = [one for one in world.answers if getattr(one, "code", 0) == 452]
    assert refused and kept in world.accepted
    for _ in range(3):
        world.desk.pump(world.clock)
        while world.deliveries:
            world.answer(world.deliveries.popleft())
        world.write()
    monkeypatch.setattr(os, "posix_fallocate", real)
    last = world.submit("z@two.test")
    world.run()
    assert last in world.accepted and not world.waiting
    assert World(tmp_path, Weather(), LIMITS).recovered == set()


def test_a_failing_disk_is_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an error of fdatasync nothing can be promised: the round raises, qmgr ends."""
    world = World(tmp_path, Weather(), LIMITS)

    def broken(descriptor: int) -> None:
        """The disk does not answer."""
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(os, "fdatasync", broken)
    world.submit("x@one.test")
    with pytest.raises(OSError, match="broken"):
        world.write()
    assert world.answers == []


# ---- the files -----------------------------------------------------------------------------

records = st.lists(st.binary(min_size=1, max_size=300), max_size=12)


@given(records, st.integers(1, 2**40))
def test_what_is_framed_is_read(found: list[bytes], number: int) -> None:
    """Records come back as they went in."""
    data = ibdb._HEADER.pack(ibdb.MAGIC, number) + b"".join(frame(number, one) for one in found)
    assert read_segment(number, data + bytes(64)).records == tuple(found)


@given(records, st.integers(0, 4000), st.integers(1, 255))
def test_damage_never_invents_records(found: list[bytes], place: int, flip: int) -> None:
    """With one byte changed the records before it are read, and nothing that never was."""
    data = bytearray(ibdb._HEADER.pack(ibdb.MAGIC, 1) + b"".join(frame(1, one) for one in found))
    data[place % len(data)] ^= flip
    read = read_segment(1, bytes(data)).records
    assert read == tuple(found[: len(read)])


@given(st.binary(max_size=2000))
def test_any_bytes_can_be_read(data: bytes) -> None:
    """A segment of noise is damage, not a crash."""
    assert read_segment(1, data).records == ()
    assert read_segment(1, ibdb._HEADER.pack(ibdb.MAGIC, 1) + data).number == 1


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.lists(st.binary(max_size=50), max_size=5))
def test_any_record_can_be_replayed(found: list[bytes]) -> None:
    """Records that say nothing sensible are counted and passed over."""
    replay = Replay()
    replay.feed(1, found)
    assert replay.entries == {}


@settings(max_examples=examples(50))
@given(st.sampled_from("ADXMEQ"), st.lists(json_like, max_size=4))
def test_records_of_the_right_letter_and_the_wrong_shape(kind: str, rest: list[object]) -> None:
    """The same for JSON."""
    import json

    replay = Replay()
    replay.feed(1, [json.dumps([kind, *rest]).encode()])
    assert replay.entries == {}


texts = st.text(st.characters(blacklist_categories=("Cs",)), max_size=20)


@given(st.lists(st.tuples(texts, texts, texts), min_size=1, max_size=4), texts)
def test_entries_survive_their_record(people: list[tuple[str, str, str]], path: str) -> None:
    """All fields come back from the journal."""
    recipients = tuple(Recipient(*one) for one in people)
    entry = new_entry(Envelope("S1", path, recipients, Content("c", 1, 2, 3)), 1.5)
    entry.recipients[0].text = "later"
    entry.recipients[0].attempts = 3
    assert from_record(as_record(entry)) == entry
    replay = Replay()
    replay.feed(7, [added(entry)])
    assert replay.entries["S1"] == entry and replay.entries["S1"].segment == 7


def test_journal_files_are_private_and_never_followed(tmp_path: Path) -> None:
    """Mode 0600; a symbolic link in the place of the next segment is not written through."""
    journal = Journal(tmp_path, 4096)
    journal.write([b"one"], sync=True)
    path = ibdb.segment_path(tmp_path, 1)
    assert path.stat().st_mode & 0o777 == 0o600
    ibdb.segment_path(tmp_path, 2).symlink_to(tmp_path / "elsewhere")
    journal._offset = 5000
    with pytest.raises(FileExistsError):
        journal.write([b"two"], sync=True)
    assert not (tmp_path / "elsewhere").exists()
    assert [one.records for one in read_all(tmp_path) if one.number == 1] == [(b"one",)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(20))
@given(data=st.binary(min_size=1, max_size=4096))
def test_a_damaged_defedb_is_noticed(tmp_path: Path, data: bytes) -> None:
    """Noise in the place of the database is reported, not overwritten."""
    for old in tmp_path.iterdir():
        old.unlink()
    path = tmp_path / "defedb.sqlite"
    path.write_bytes(b"SQLite format 3\0"[:8] + data)
    with pytest.raises(DamagedStore):
        create(tmp_path)
    assert path.read_bytes().startswith(b"SQLite f")

"""Maps: real Berkeley DB files checked with other people's tools, and every odd socket server."""

from __future__ import annotations

import asyncio
import random
import shutil
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meta1.config import parse_config
from meta1.maps import berkeley
from meta1.maps.base import NO_MORE, NOT_FOUND, Answer, MapFailure, MapRefusal, Status
from meta1.maps.berkeley import BadDatabase, HashFile, identity, write_hash
from meta1.maps.hashmap import HashMap
from meta1.maps.netstring import BadNetstring, answer_of, encode, take
from meta1.maps.passwd import PasswdMap
from meta1.maps.registry import Registry
from meta1.maps.sequence import SequenceMap
from meta1.maps.socketmap import Place, SocketMap

ITEMS = [("to:lab.example", "relay"), ("cltaddr:127.0.0.1", "relay"), ("ü", "ö")]


def find(one: HashMap | SequenceMap | PasswdMap, key: str) -> Answer:
    """Look one key up."""
    return asyncio.run(one.lookup(key))


def test_what_is_written_is_found(tmp_path: Path) -> None:
    """Values come back; keys are found in any case; others are not found."""
    path = tmp_path / "access.db"
    assert write_hash(path, ITEMS) == 3
    table = HashMap("access", path)
    assert find(table, "To:Lab.Example") == Answer(Status.OK, "relay")
    assert find(table, "ü") == Answer(Status.OK, "ö")
    assert find(table, "to:other") == NOT_FOUND
    assert list(tmp_path.iterdir()) == [path], "no temporary file is left"
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.skipif(shutil.which("db5.3_dump") is None, reason="db5.3-util is not installed")
def test_db_tools_read_our_files(tmp_path: Path) -> None:
    """db5.3_verify and db5.3_dump of Debian agree with us about a file of ours."""
    path = tmp_path / "access.db"
    write_hash(path, ITEMS)
    subprocess.run(["db5.3_verify", str(path)], check=True, capture_output=True)
    dump = subprocess.run(
        ["db5.3_dump", "-p", str(path)], check=True, capture_output=True, text=True
    )
    assert " to:lab.example\n relay\n" in dump.stdout and "type=hash" in dump.stdout


@pytest.mark.skipif(shutil.which("db5.3_load") is None, reason="db5.3-util is not installed")
@pytest.mark.parametrize("nul", ["", "\\00"])
def test_we_read_files_of_others(tmp_path: Path, nul: str) -> None:
    """With a NUL behind key and value as of postmap, or without as of makemap."""
    path = tmp_path / "other.db"
    text = f"VERSION=3\nformat=print\ntype=hash\nHEADER=END\n user{nul}\n alice{nul}\nDATA=END\n"
    subprocess.run(["db5.3_load", str(path)], input=text, check=True, text=True)
    assert find(HashMap("other", path), "user") == Answer(Status.OK, "alice")
    file = HashFile(path)
    assert list(file.items()) == [("user", "alice")]


def test_a_rebuilt_map_is_used_at_once(tmp_path: Path) -> None:
    """The next lookup sees the new file; the old one is answered from until then."""
    path = tmp_path / "a.db"
    write_hash(path, [("k", "old")])
    table = HashMap("a", path)
    assert find(table, "k").value == "old"
    write_hash(path, [("k", "new")])
    assert find(table, "k").value == "new"


def test_missing_files(tmp_path: Path) -> None:
    """A declared map that is not there fails; one that may be missing has nothing in it."""
    path = tmp_path / "a.db"
    with pytest.raises(MapFailure):
        find(HashMap("a", path), "k")
    optional = HashMap("a", path, optional=True)
    assert find(optional, "k") == NOT_FOUND
    write_hash(path, [("k", "v")])
    assert find(optional, "k").is_found
    path.unlink()
    assert find(optional, "k") == NOT_FOUND


@pytest.mark.parametrize("damage", [b"", b"noise" * 1000, None])
def test_damaged_files_fail_and_heal(tmp_path: Path, damage: bytes | None) -> None:
    """Noise, nothing, or a file with holes: a temporary failure until it is rebuilt."""
    path = tmp_path / "a.db"
    write_hash(path, [(f"key{number}", "v" * 100) for number in range(500)])
    data = bytearray(path.read_bytes())
    # The same noise each time: other noise may look like a page without this key.
    data[4096:] = random.Random(1).randbytes(len(data) - 4096)
    path.write_bytes(bytes(data) if damage is None else damage)
    table = HashMap("a", path)
    with pytest.raises(MapFailure):
        find(table, "key1")
    write_hash(path, [("key1", "v")])
    assert find(table, "key1").is_found


def test_a_file_that_holds_up_its_verification_holds_up_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another map answers meanwhile; all who ask for this one wait for one and the same attempt."""
    write_hash(tmp_path / "slow.db", [("k", "v")])
    write_hash(tmp_path / "other.db", [("k", "v")])
    slow, other = HashMap("slow", tmp_path / "slow.db"), HashMap("other", tmp_path / "other.db")
    assert find(other, "k").is_found
    said, may_end = tmp_path / "said", tmp_path / "may_end"
    program = tmp_path / "verify.py"
    program.write_text(
        f"import pathlib, sys, time\n"
        f"pathlib.Path({str(said)!r}).open('a').write('begun\\n')\n"
        f"while not pathlib.Path({str(may_end)!r}).exists(): time.sleep(0.01)\n"
        f"sys.exit('damaged')\n"
    )
    monkeypatch.setattr(berkeley, "_VERIFY", program)

    async def ask() -> list[Answer | BaseException]:
        waiting = [asyncio.create_task(slow.lookup("k")) for _ in range(3)]
        while not said.exists():
            await asyncio.sleep(0.01)
        assert (await other.lookup("k")).is_found
        assert not any(each.done() for each in waiting)
        may_end.touch()
        return await asyncio.gather(*waiting, return_exceptions=True)

    answers = asyncio.run(asyncio.wait_for(ask(), 20))
    assert [type(each) for each in answers] == [MapFailure] * 3
    assert said.read_text() == "begun\n"


def test_a_failed_build_leaves_the_old_map(tmp_path: Path) -> None:
    """An error half way changes nothing and leaves nothing behind."""
    path = tmp_path / "a.db"
    write_hash(path, [("k", "old")])

    def items() -> object:
        yield "k", "new"
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        write_hash(path, items())  # type: ignore[arg-type]
    assert find(HashMap("a", path), "k").value == "old"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(BadDatabase):
        write_hash(tmp_path / "none" / "a.db", [])


def test_passwd() -> None:
    """Users of the system are found, whatever the case; others and nonsense are not."""
    table = PasswdMap("users")
    assert find(table, "Root") == Answer(Status.OK, "root")
    assert find(table, "nobody-of-this-name") == NOT_FOUND
    assert find(table, "../etc\0") == NOT_FOUND


def test_sequence_stops_where_it_must(tmp_path: Path) -> None:
    """The first answer counts; a map that fails ends the search."""
    first, second = tmp_path / "1.db", tmp_path / "2.db"
    write_hash(first, [("a", "1")])
    write_hash(second, [("a", "2"), ("b", "2")])
    both = SequenceMap("both", (HashMap("1", first), HashMap("2", second)))
    assert find(both, "a").value == "1" and find(both, "b").value == "2"
    assert find(both, "c") == NOT_FOUND
    first.write_bytes(b"x")
    with pytest.raises(MapFailure):
        find(both, "b")


def test_registry_builds_what_is_declared(tmp_path: Path) -> None:
    """A sequence finds its members; each is built once."""
    write_hash(tmp_path / "a.db", [("k", "v")])
    config = parse_config(
        b'smar { map local { type = hash; file = "a.db"; } map sys { type = passwd; }'
        b" map both { type = sequence; maps = { local, sys }; } }"
    )
    registry = Registry(config.smar, tmp_path)
    both = registry.named("both")
    assert asyncio.run(both.lookup("k")).value == "v"
    assert asyncio.run(both.lookup("root")).value == "root"
    assert registry.find("local", "x") is registry.named("local")
    registry.close()


# ---- socket maps ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"OK", Answer(Status.OK, "")),
        (b"OK a <b@c>", Answer(Status.OK, "a <b@c>")),
        (b"NOTFOUND", NOT_FOUND),
        (b"NOMORE", NO_MORE),
    ],
)
def test_replies(payload: bytes, expected: Answer) -> None:
    """The status words of the protocol."""
    assert answer_of(payload) == expected


@pytest.mark.parametrize(
    ("payload", "error"),
    [
        (b"TEMP busy", MapFailure),
        (b"TIMEOUT", MapFailure),
        (b"PERM never", MapRefusal),
        (b"WHAT", BadNetstring),
        (b"", BadNetstring),
    ],
)
def test_failing_replies(payload: bytes, error: type[Exception]) -> None:
    """Failures are raised."""
    with pytest.raises(error):
        answer_of(payload)


@given(st.lists(st.binary(max_size=50), max_size=5))
def test_netstrings_byte_by_byte(payloads: list[bytes]) -> None:
    """What was encoded is taken, however it arrives."""
    buffer, found = bytearray(), []
    for byte in b"".join(encode(one) for one in payloads):
        buffer.append(byte)
        payload = take(buffer)
        if payload is not None:
            found.append(payload)
    assert found == payloads


@given(st.binary(max_size=40))
def test_any_bytes_are_a_netstring_or_refused(data: bytes) -> None:
    """Noise never waits for more than it may announce."""
    buffer = bytearray(data)
    try:
        while take(buffer) is not None:
            pass
    except BadNetstring:
        return
    assert len(buffer) <= len(data)


Reply = Callable[[bytes, int], bytes | None]


def with_server(tmp_path: Path, reply: Reply, talk: Callable[[SocketMap], Awaitable[None]]) -> None:
    """Run a talk against a server that answers each request with given bytes; None hangs up."""

    async def run() -> None:
        count = 0

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal count
            buffer = bytearray()
            while data := await reader.read(4096):
                buffer += data
                request = take(buffer)
                if request is None:
                    continue
                count += 1
                answer = reply(request, count)
                if answer is None:
                    break
                writer.write(answer)
            writer.close()

        server = await asyncio.start_unix_server(serve, tmp_path / "s")
        table = SocketMap("users", Place(path=str(tmp_path / "s")), "userdb", 0.3)
        await talk(table)
        table.close()
        server.close()

    asyncio.run(run())


def test_socket_map(tmp_path: Path) -> None:
    """Request and reply as documented; many at once; one connection is used again."""

    def reply(request: bytes, count: int) -> bytes:
        assert request.startswith(b"userdb ")
        return encode(b"OK " + request.split(b" ")[1])

    async def talk(table: SocketMap) -> None:
        answers = await asyncio.gather(*[table.lookup(f"u{number}") for number in range(50)])
        assert [answer.value for answer in answers] == [f"u{number}" for number in range(50)]
        assert len(table._idle) <= 8

    with_server(tmp_path, reply, talk)


@pytest.mark.parametrize(
    "answer",
    [None, b"", b"x", b"5:OK", b"999999999:", b"3:OK ;", b"2:OK,2:OK,", b"4:WHAT,", b"07:OK xxxx,"],
)
def test_bad_socket_servers(tmp_path: Path, answer: bytes | None) -> None:
    """Silence, hanging up and nonsense are temporary failures within the time limit."""

    async def talk(table: SocketMap) -> None:
        with pytest.raises(MapFailure):
            await table.lookup("k")

    with_server(tmp_path, lambda request, count: answer, talk)


def test_a_connection_that_went_away_while_idle(tmp_path: Path) -> None:
    """It is replaced without anybody noticing."""

    async def talk(table: SocketMap) -> None:
        assert (await table.lookup("a")).is_found
        assert (await table.lookup("b")).is_found

    with_server(tmp_path, lambda request, count: None if count == 2 else encode(b"OK"), talk)


def test_no_socket_server(tmp_path: Path) -> None:
    """A socket that is not there is a temporary failure."""
    table = SocketMap("users", Place(path=str(tmp_path / "none")), "userdb", 0.3)
    with pytest.raises(MapFailure):
        asyncio.run(table.lookup("k"))


def test_a_file_that_may_be_read_now_is_tried_again(tmp_path: Path) -> None:
    """A change of its mode alone makes it another file than the one that could not be opened."""
    write_hash(tmp_path / "access.db", [("key", "value")], mode=0o600)
    before = identity(tmp_path / "access.db")
    (tmp_path / "access.db").chmod(0o644)
    assert identity(tmp_path / "access.db") != before

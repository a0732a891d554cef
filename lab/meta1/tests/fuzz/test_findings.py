"""What the fuzzers have found, each as the smallest input that showed it."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from fuzz.queue_files import entry
from fuzz.source import FromBytes, Source
from meta1 import aliases
from meta1.access_table import BadValue, read_value
from meta1.aliases import BadAlias
from meta1.config import ConfigError, parse_config
from meta1.dns import Dns, DnsFailure, DnsSettings
from meta1.maps.base import MapFailure
from meta1.maps.berkeley import BadDatabase, HashFile, write_hash
from meta1.maps.hashmap import HashMap
from meta1.mx import Exchangers, NoRoute
from meta1.queue import defedb
from meta1.queue.defedb import DamagedStore, DeferredReader, DeferredWriter, row_of
from meta1.queue.entry import as_record
from meta1.queue.records import Replay, added, closed, pack
from meta1.routing import Lookup, Routing, Rules
from meta1.smtp import events as ev
from meta1.smtp import reply as replies
from meta1.smtp.client import ClientConnection
from meta1.smtp.outgoing import NO_DSN, Outgoing
from meta1.smtp.server import ServerConnection
from meta1.smtp.settings import ServerSettings
from meta1.smtp.syntax import Mailbox

ENTRY = entry(Source(FromBytes(b"")), 1)


def greeted() -> ServerConnection:
    """A server core behind EHLO."""
    core = ServerConnection(ServerSettings("mail.lab.example", mechanisms=("PLAIN",)))
    core.greet()
    core.receive_data(b"EHLO c\r\n")
    core.bytes_to_send()
    return core


# ---- SMTP ----------------------------------------------------------------------------------


@pytest.mark.parametrize("line", [b"RCPT\r\n", b"RCPT TO:<b@lab.example>\r\n"])
def test_rcpt_behind_auth_waits_for_its_verdict(line: bytes) -> None:
    """It was taken for a response while libsasl2 worked, and the verdict then ended smtps."""
    core = greeted()
    (started,) = core.receive_data(b"AUTH PLAIN AHUAcA==\r\n" + line)
    assert isinstance(started, ev.AuthStarted)
    core.answer(started.number, replies.AUTH_OK)
    assert core.bytes_to_send().startswith(b"235 2.7.0")


def test_rcpt_behind_data_is_content() -> None:
    """It was refused as a command between 354 and the mail it is the first line of."""
    core = greeted()
    (mail,) = core.receive_data(b"MAIL FROM:<a@lab.example>\r\n")
    core.answer(mail.number, replies.SENDER_OK)  # type: ignore[union-attr]
    (rcpt,) = core.receive_data(b"RCPT TO:<b@lab.example>\r\n")
    core.answer(rcpt.number, replies.RECIPIENT_OK)  # type: ignore[union-attr]
    (data,) = core.receive_data(b"DATA\r\n")
    core.bytes_to_send()
    core.receive_data(b"RCPT TO:<c@lab.example>\r\n")
    events = core.answer(data.number, replies.START_CONTENT)  # type: ignore[union-attr]
    events += core.receive_data(b".\r\n")
    assert core.bytes_to_send() == replies.START_CONTENT.encode()
    chunks = [one.chunk for one in events if isinstance(one, ev.ContentArrived)]
    assert b"".join(chunks) == b"RCPT TO:<c@lab.example>\r\n"


def test_server_that_ends_the_session_behind_354() -> None:
    """One more reply in the same segment ended smtpc, with all its other deliveries."""
    client = ClientConnection("c.example")
    client.receive_data(b"220 mx\r\n")
    client.receive_data(b"250 mx\r\n")
    client.deliver(Outgoing(Mailbox("a", "b.example"), ((Mailbox("c", "d.example"), NO_DSN),)))
    client.receive_data(b"250 ok\r\n")
    client.receive_data(b"250 ok\r\n")
    wanted, delivered, ended = client.receive_data(b"354 go on\r\n250 bye\r\n")
    client.bytes_to_send()
    client.send_content(b"x\r\n")
    client.end_content()
    assert isinstance(wanted, ev.ContentWanted) and isinstance(ended, ev.SessionEnded)
    assert isinstance(delivered, ev.Delivered) and delivered.results[0].is_transient
    assert client.bytes_to_send() == b""


# ---- maps ----------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["error:4\u0663\u0663 x", "error:450 4.\u0663.\u0663 x"])
def test_digits_of_other_scripts_are_no_code(text: str) -> None:
    """They passed for digits, and no reply could be written with them: smtps ended."""
    try:
        value = read_value("to", text, {})
    except BadValue:
        return
    assert value.enhanced_code.isascii() and value.code == 450


class One:
    """A map with one value."""

    name = "one"

    def __init__(self, value: str) -> None:
        """Say this to every key."""
        self._value = value

    async def lookup(self, key: str) -> Any:
        """The value."""
        from meta1.maps.base import Answer, Status

        return Answer(Status.OK, self._value)

    def close(self) -> None:
        """Nothing to close."""


class NoNames:
    """DNS that is not needed here."""

    ask = reverse = None


@pytest.mark.parametrize(
    "value",
    [
        "host.example:99999", "host.example:0", "host.example:\u0661\u0662", "lmtp:/a\nb",
        "[a\nb]", "lmtp:" + "p" * 200,
    ],
)  # fmt: skip
def test_places_that_do_not_exist(value: str) -> None:
    """A port over 65535 ended smtpc, a line end the connection between smar and qmgr."""
    table = Lookup(One(value), frozenset({"domain"}))
    empty = frozenset[str]()
    rules = Rules("h.example", frozenset(), "/l", 25, "+", aliases.Limits(), table, None, table)
    routing = Routing(rules, Exchangers(NoNames(), empty))  # type: ignore[arg-type]
    with pytest.raises(NoRoute) as caught:
        asyncio.run(routing._hop("a@x.example"))
    assert caught.value.code == 451


@pytest.mark.parametrize("value", ['"a\r\nb"@x.example', "a@b@c", "\u00fc@x.example", "a\0b@c.d"])
def test_aliases_are_addresses(value: str) -> None:
    """One that SMTP cannot say broke the answer of smar, or the mail of the others."""
    with pytest.raises(BadAlias):
        aliases.words_of(value, "lab.example")


def test_a_map_with_a_damaged_page_is_not_opened(tmp_path: Path) -> None:
    """bsddb3 drops the verdict of verification; a lookup could then search for ever."""
    path = tmp_path / "a.db"
    write_hash(path, [(f"key{number}", "v" * 100) for number in range(400)])
    data = bytearray(path.read_bytes())
    for page in range(4096, len(data), 4096):
        data[page + 28 : page + 32] = b"\xff" * 4
    path.write_bytes(data)
    with pytest.raises(BadDatabase):
        HashFile(path)
    table = HashMap("a", path)
    begin = time.monotonic()
    for _ in range(200):
        with pytest.raises(MapFailure):
            asyncio.run(table.lookup("key1"))
    assert time.monotonic() - begin < 20, "the same bad file is verified again and again"


def test_a_question_that_never_ends_is_a_failure() -> None:
    """dnspython may wait for ever; the domain then got no mail until smar was started anew."""

    async def ask() -> None:
        resolver = Dns(DnsSettings(("127.0.0.1",), 9, timeout=0.01, tries=1))
        resolver._resolver.resolve = lambda *words, **more: asyncio.sleep(3600)
        with pytest.raises(DnsFailure):
            await resolver.ask("x.test", "MX")

    begin = time.monotonic()
    asyncio.run(ask())
    assert time.monotonic() - begin < 30


# ---- configuration -------------------------------------------------------------------------


WHOLE = pytest.mark.whole  # seconds of work, which a slow machine makes a minute of


@pytest.mark.parametrize(
    "unit",
    [
        pytest.param(b"a=1;", marks=WHOLE),
        pytest.param(b"x{}", marks=WHOLE),
        b"map a {}",
        pytest.param(b"smar{map a{}}", marks=WHOLE),
    ],
)
def test_a_file_full_of_faults(unit: bytes) -> None:
    """It took minutes and hundreds of megabytes to name what would have been right."""
    begin = time.process_time()
    with pytest.raises(ConfigError):
        parse_config(unit * (2**17 // len(unit)), "f")
    assert time.process_time() - begin < 30


@pytest.mark.parametrize("text", ["x\ufeff" * 9 + " y", "a\u202e = 1", "\ufeff" + "x" * 500 + " ;"])
def test_names_in_faults_are_short_and_printable(text: str) -> None:
    """A fault is one harmless line, whatever stands in the file."""
    with pytest.raises(ConfigError) as caught:
        parse_config(text.encode(), "f")
    assert all(str(one).isprintable() and len(str(one)) < 300 for one in caught.value.faults)


# ---- the queue -----------------------------------------------------------------------------


def bent(*place: int, value: object) -> bytes:
    """The record of a message with one field replaced."""
    record: Any = json.loads(added(ENTRY))
    inner = record[1]
    for each in place[:-1]:
        inner = inner[each]
    inner[place[-1]] = value
    return pack(record)


@pytest.mark.parametrize(
    "record",
    [
        bent(5, value=10**400), bent(5, value=float("inf")), bent(3, 1, value=float("inf")),
        bent(3, 1, value=-1), bent(3, 2, value=2**63), bent(2, value=5), bent(4, 1, value="x"),
        bent(7, 0, value=[]), bent(8, value=[]), bent(6, value=["", "", ""]),
    ],
)  # fmt: skip
def test_records_that_make_no_sense_are_left_out(record: bytes) -> None:
    """Some kept qmgr from starting at all, others went on into the queue."""
    replay = Replay()
    replay.feed(1, [record])
    assert replay.unreadable == 1 and not replay.entries


@pytest.mark.parametrize("numbers", [[-1], [0, 9], ["0"], [True]])
def test_recipients_that_are_not_there_are_not_closed(numbers: list[int]) -> None:
    """A record counts as a whole or not at all; -1 is not the last one."""
    replay = Replay()
    replay.feed(1, [added(ENTRY), closed(ENTRY, numbers)])
    (found,) = replay.entries.values()
    assert found.open_recipients() == ENTRY.open_recipients() and replay.unreadable == 1


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """DEFEDB with one message."""
    defedb.create(tmp_path)
    writer = DeferredWriter(tmp_path)
    writer.apply([row_of(ENTRY)])
    writer.close()
    return tmp_path


@pytest.mark.parametrize(
    "record", ["'" + "[" * 100_000 + "'", "CAST(X'ff22' AS TEXT)", "5", "X'00'", "'null'"]
)
def test_a_row_that_cannot_be_read_spoils_no_other(store: Path, record: str) -> None:
    """It raised what nobody expected, and qmgr ended each time it came to this row."""
    connection = sqlite3.connect(store / defedb.FILE)
    connection.execute(f"UPDATE deferred SET record = {record}")
    connection.commit()
    connection.close()
    reader = DeferredReader(store)
    (row,) = reader.index()
    assert reader.load(row.transaction_id) is None
    reader.close()


def test_a_row_under_another_name_is_not_taken_for_it(store: Path) -> None:
    """The message would have been delivered under a name that nobody knows."""
    record = json.dumps(as_record(entry(Source(FromBytes(b"")), 2)))
    connection = sqlite3.connect(store / defedb.FILE)
    connection.execute("UPDATE deferred SET record = ?", (record,))
    connection.commit()
    connection.close()
    reader = DeferredReader(store)
    assert reader.load(ENTRY.transaction_id) is None
    reader.close()


@pytest.mark.parametrize("column", ["next_try", "path", "recipients"])
def test_an_index_of_other_types_is_a_damaged_store(store: Path, column: str) -> None:
    """qmgr says so and ends, rather than sort what cannot be compared."""
    connection = sqlite3.connect(store / defedb.FILE)
    connection.execute(f"UPDATE deferred SET {column} = X'ff00'")
    connection.commit()
    connection.close()
    reader = DeferredReader(store)
    with pytest.raises(DamagedStore):
        list(reader.index())
    reader.close()


def test_damage_found_while_writing_is_told(store: Path) -> None:
    """It ended the commit thread without a word, and qmgr went on without one."""
    writer = DeferredWriter(store)
    path = store / defedb.FILE
    writer._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)
    writer._connection.execute("PRAGMA cache_size = 0")
    fresh = DeferredWriter(store)
    with pytest.raises(OSError):
        fresh.apply([row_of(entry(Source(FromBytes(b"")), number)) for number in range(50)])
    fresh.close()
    writer.close()

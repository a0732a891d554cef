"""smtpc against a small strict server: SMTP, LMTP, TLS, reuse, fallback, kinds of failure."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from bench import MAIL, Bench, one_message, over_lmtp, over_tcp, store
from servers import Manners, Server

from meta1.messages import Deliver, Host, NextHop, Text, Transport
from meta1.queue.envelope import NULL_PATH, Outcome
from meta1.smtpc_body import Body, ContentLost
from meta1.smtpc_terms import Patience, Terms


def test_content_arrives_as_it_was(tmp_path: Path) -> None:
    """Dots and all; envelope in one write; size announced."""
    server = over_tcp(tmp_path, Manners(), one_message)
    assert [(mail.sender, mail.recipients, mail.content) for mail in server.mails] == [
        ("a@b.test", ["x@one.test", "y@one.test"], MAIL)
    ]
    assert f"SIZE={len(MAIL)}" in server.mails[0].parameters


def test_without_extensions(tmp_path: Path) -> None:
    """A server that knows only HELO gets the mail, too."""
    server = over_tcp(tmp_path, Manners(keywords=[], replies={"EHLO": "502 what"}), helo)
    assert server.mails[0].content == MAIL and server.mails[0].parameters == ""


async def helo(bench: Bench, server: Server, hop: NextHop) -> None:
    """HELO is answered with 250."""
    server.manners.replies["HELO"] = "250 hello"
    await one_message(bench, server, hop)


def test_null_sender_and_report_text(tmp_path: Path) -> None:
    """A DSN: prologue, the header of the original, epilogue, from <>."""

    async def talk(bench: Bench, server: Server, hop: NextHop) -> None:
        head = replace(bench.content, length=14)
        bench.send(
            hop, "a@b.test", sender=NULL_PATH, content=head,
            prologue=Text("From: x\r\n\r\n"), epilogue=Text("\r\n--\r\n"),
        )  # fmt: skip
        await bench.until(1)

    server = over_tcp(tmp_path, Manners(), talk)
    assert server.mails[0].sender == ""
    assert server.mails[0].content == b"From: x\r\n\r\nSubject: x\r\n\r\n\r\n--\r\n"


def test_results_for_each_recipient(tmp_path: Path) -> None:
    """LMTP answers for each after the dot; refusals at RCPT count as well."""
    manners = Manners(
        replies={"no@l": "550 5.1.1 no", "full@l": "452 4.2.2 full"},
        final={"sieve@l": "550 5.7.1 rejected"},
    )

    async def talk(bench: Bench, server: Server, hop: NextHop) -> None:
        bench.send(hop, "a@l", "no@l", "full@l", "sieve@l", "b@l")
        (report,) = await bench.until(1)
        assert [one.code for one in report.results] == [250, 550, 452, 550, 250]
        assert [one.outcome.value for one in report.results] == [
            "DELIVERED", "FAILED", "RETRY", "FAILED", "DELIVERED",
        ]  # fmt: skip
        assert report.results[1].enhanced_code == "5.1.1" and report.host == "lmtp"
        assert not report.results[0].relayed

    assert over_lmtp(tmp_path, manners, talk).mails[0].recipients == ["a@l", "b@l"]


@pytest.mark.parametrize("smtp", [True, False])
def test_connections_are_used_again(tmp_path: Path, smtp: bool) -> None:
    """One after the other: one connection; many at once over LMTP: few, with pipelining."""

    async def talk(bench: Bench, server: Server, hop: NextHop) -> None:
        for number in range(5):
            bench.send(hop, "x@one.test")
            await bench.until(number + 1)
        assert server.connections == 1
        for _ in range(60):
            bench.send(hop, "x@one.test")
        await bench.until(65)
        assert server.connections <= (61 if smtp else 8)

    server = (over_tcp if smtp else over_lmtp)(tmp_path, Manners(), talk)
    assert len(server.mails) == 65


def test_a_connection_lost_while_idle_is_no_failure(tmp_path: Path) -> None:
    """The server closes after each message: the next goes over a new connection."""

    async def talk(bench: Bench, server: Server, hop: NextHop) -> None:
        for number in range(4):
            bench.send(hop, "x@one.test")
            await bench.until(number + 1)
        assert bench.outcomes == [[Outcome.DELIVERED]] * 4

    server = over_tcp(tmp_path, Manners(hang_up_after=1), talk)
    assert len(server.mails) == 4 and server.connections == 4


def test_limit_of_transactions(tmp_path: Path) -> None:
    """After so many a connection is closed in good order."""

    async def talk(bench: Bench, server: Server, hop: NextHop) -> None:
        for number in range(5):
            bench.send(hop, "x@one.test")
            await bench.until(number + 1)

    terms = Terms("client.test", Patience(max_transactions=2), None)
    server = over_tcp(tmp_path, Manners(), talk, terms)
    assert server.connections == 3 and server.commands.count("QUIT") >= 2


@pytest.mark.parametrize(
    ("manners", "outcome", "code", "reached"),
    [
        (Manners(greeting="554 no service"), Outcome.RETRY, 421, False),
        (Manners(greeting="421 busy"), Outcome.RETRY, 421, False),
        (Manners(greeting="nonsense"), Outcome.RETRY, 421, False),
        (Manners(replies={"EHLO": "421 busy"}), Outcome.RETRY, 421, False),
        (Manners(replies={"MAIL": "451 4.7.1 later"}), Outcome.RETRY, 451, True),
        (Manners(replies={"MAIL": "550 5.7.1 never"}), Outcome.FAILED, 550, True),
        (Manners(replies={"DATA": "451 4.3.0 later"}), Outcome.RETRY, 451, True),
        (Manners(replies={"DATA": "554 5.5.0 never"}), Outcome.FAILED, 554, True),
        (Manners(final={"": "552 5.2.2 full"}), Outcome.FAILED, 552, True),
        (Manners(final={"": "451 4.2.0 later"}), Outcome.RETRY, 451, True),
        (Manners(hang_up_at="EHLO"), Outcome.RETRY, 421, False),
        (Manners(hang_up_at="MAIL"), Outcome.RETRY, 451, True),
        (Manners(hang_up_at="DATA"), Outcome.RETRY, 451, True),
        (Manners(hang_up_at="DOT"), Outcome.RETRY, 451, True),
        (Manners(keywords=["SIZE 10"]), Outcome.FAILED, 552, True),
    ],
)
def test_kinds_of_failure(
    tmp_path: Path, manners: Manners, outcome: Outcome, code: int, reached: bool
) -> None:
    """What is final and what is not, and whether a server was reached at all."""

    async def talk(bench: Bench, server: Server, hop: NextHop) -> None:
        bench.send(hop, "x@one.test", "y@one.test")
        (report,) = await bench.until(1)
        assert [(one.outcome, one.code) for one in report.results] == [(outcome, code)] * 2
        assert report.reached is reached

    over_tcp(tmp_path, manners, talk)


@pytest.mark.parametrize("verb", ["EHLO", "MAIL", "DATA"])
def test_silence_has_an_end(tmp_path: Path, verb: str) -> None:
    """A server that says nothing costs the time-out, not the message."""

    async def talk(bench: Bench, server: Server, hop: NextHop) -> None:
        await one_message(bench, server, hop)
        assert bench.outcomes == [[Outcome.RETRY] * 2]

    patience = Patience(connect=1, reply=0.3, final=0.3, idle=0.2)
    over_tcp(tmp_path, Manners(silent_at=verb), talk, Terms("client.test", patience, None))


def test_the_next_host_is_tried(tmp_path: Path) -> None:
    """A dead first host and one that is busy are passed over."""

    async def talk(bench: Bench, server: Server, hop: NextHop) -> None:
        busy = Server(Manners(greeting="421 busy"))
        listening, port = await busy.listen_tcp()
        dead = Host("dead.test", "127.0.0.1", 1)
        hosts = (dead, Host("busy.test", "127.0.0.1", port), *hop.hosts)
        await one_message(bench, server, replace(hop, hosts=hosts))
        assert bench.outcomes == [[Outcome.DELIVERED] * 2] and busy.connections == 1
        listening.close()

    over_tcp(tmp_path, Manners(), talk)


def test_nobody_there(tmp_path: Path) -> None:
    """All that waits is reported; the pool is empty again."""

    async def talk(bench: Bench, server: Server, hop: NextHop) -> None:
        nowhere = replace(hop, hosts=(Host("dead.test", "127.0.0.1", 1),))
        for _ in range(3):
            bench.send(nowhere, "x@one.test")
        reports = await bench.until(3)
        assert not any(report.reached for report in reports)
        assert "dead.test" in reports[0].results[0].text
        await asyncio.sleep(0)
        assert bench.emptied and bench.pool is not None and bench.pool.load == 0

    over_tcp(tmp_path, Manners(), talk)


def test_a_server_with_a_limit_of_connections(tmp_path: Path) -> None:
    """Those it takes do all the work; the others are not tried again and again."""

    async def talk(bench: Bench, server: Server, hop: NextHop) -> None:
        server.limit = 2
        for _ in range(30):
            bench.send(hop, "x@one.test")
        await bench.until(30)
        assert bench.outcomes == [[Outcome.DELIVERED]] * 30

    server = over_lmtp(tmp_path, Manners(), talk)
    assert len(server.mails) == 30 and server.connections <= 10


def test_large_content_with_a_slow_reader(tmp_path: Path) -> None:
    """Several megabytes arrive unharmed, read piece by piece."""

    async def talk(bench: Bench, server: Server, hop: NextHop) -> None:
        text = b"Subject: x\r\n\r\n" + (b".line of text" + b"." * 480 + b"\r\n") * 9000
        bench.content = store(bench.directory, text)
        await one_message(bench, server, hop)
        assert server.mails[0].content == text

    over_lmtp(tmp_path, Manners(), talk)


# ---- content -------------------------------------------------------------------------------


def test_content_that_may_be_there_is_not_called_lost(tmp_path: Path) -> None:
    """What the system refuses to open, for now, is another thing than what is not there."""
    content = store(tmp_path)
    (tmp_path / content.path).rename(tmp_path / "elsewhere")
    (tmp_path / content.path).symlink_to(tmp_path / "elsewhere")  # refused even to root
    hop = NextHop(Transport.SMTP, "one.test", ())
    with pytest.raises(OSError, match="symbolic links"):
        Body(tmp_path, Deliver("C1", "S1", hop, "a@b", ("c@d",), content))


@pytest.mark.parametrize("damage", ["missing", "flipped", "short", "header"])
def test_lost_content_is_noticed_before_the_first_command(tmp_path: Path, damage: str) -> None:
    """Missing, changed or cut content never goes out."""
    content = store(tmp_path)
    path = tmp_path / content.path
    data = bytearray(path.read_bytes())
    if damage == "missing":
        path.unlink()
    elif damage == "flipped":
        data[-3] ^= 1
        path.write_bytes(data)
    elif damage == "short":
        path.write_bytes(data[:-5])
    else:
        path.write_bytes(bytes(16) + data[16:])
    hop = NextHop(Transport.SMTP, "one.test", ())
    with pytest.raises(ContentLost):
        Body(tmp_path, Deliver("C1", "S1", hop, "a@b", ("c@d",), content))


def test_dsn_parameters(tmp_path: Path) -> None:
    """To a server with DSN they are passed on, and it takes over the duty to report."""

    async def talk(bench: Bench, server: Server, hop: NextHop) -> None:
        bench.send(
            hop, "x@one.test", "y@one.test", notify=("SUCCESS", ""), original=("rfc822;z@z", ""),
            envelope_id="id1", return_part="HDRS",
        )  # fmt: skip
        (report,) = await bench.until(1)
        assert all(one.relayed for one in report.results)

    server = over_tcp(tmp_path, Manners(keywords=["DSN"]), talk)
    assert "RET=HDRS ENVID=id1" in server.mails[0].parameters
    assert "RCPT TO:<x@one.test> NOTIFY=SUCCESS ORCPT=rfc822;z@z" in server.commands

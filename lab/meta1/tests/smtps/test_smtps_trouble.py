"""smtps when qmgr or the disk make difficulties, and at its end."""

from __future__ import annotations

import asyncio
import errno
import os
import smtplib
import socket
import struct
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from server_fixture import allow_local
from talk import ACCESS, MAIL, Raw, Start, send, sessions_of, stages, talk, wait_for

from meta1.messages import (
    AbortTransaction,
    AccessChecked,
    CheckAccess,
    CommitTransaction,
    QueueStateChanged,
    SealSegment,
    Stage,
    TransactionCommitted,
    Verdict,
)
from meta1.queue.cdb import LARGE

# ---- qmgr --------------------------------------------------------------------------------------


def test_final_answer_for_one_sender(start: Start) -> None:
    """A final answer at MAIL holds for that transaction, not for the next sender."""
    running = start(ACCESS)
    running.smar.rule = lambda question: AccessChecked(
        question.request_id, Verdict.ACCEPT, final=question.stage == Stage.MAIL
    )
    with smtplib.SMTP("127.0.0.1", running.port) as client:
        for sender in ("b@lab.example", "c@lab.example"):
            client.sendmail(sender, ["a@lab.example"], MAIL)
    assert stages(running) == ["CONNECT", "MAIL", "RCPT", "MAIL", "RCPT"]


def test_decisions_are_remembered_for_a_moment(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same mail of the same client asks nobody; another one does."""
    monkeypatch.setattr("meta1.memo.LIFETIME", 60.0)
    running = start(ACCESS)
    for recipient in ("a@lab.example", "a@lab.example", "alice@lab.example"):
        with smtplib.SMTP("127.0.0.1", running.port, "client.lab.example") as client:
            client.sendmail("b@lab.example", [recipient], MAIL)
    assert stages(running) == ["CONNECT", "MAIL", "RCPT", "RCPT"]
    with smtplib.SMTP("127.0.0.1", running.port, "other.lab.example") as client:
        client.sendmail("b@lab.example", ["a@lab.example"], MAIL)
    assert stages(running)[4:] == ["MAIL", "RCPT"]  # the client calls itself by another name


def test_decisions_are_forgotten_with_smar(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A smar that comes back may have other maps: nothing of the old one is used."""
    monkeypatch.setattr("meta1.memo.LIFETIME", 60.0)
    running = start("")
    with closing(Raw(running)) as raw:
        raw.line()
        raw.send(b"EHLO x\r\nMAIL FROM:<b@lab.example>\r\nRCPT TO:<a@lab.example>\r\n")
        assert [raw.reply()[:3] for _ in range(3)] == ["250"] * 3
        running.call(running.smar.stop)
        wait_for(lambda: any("smar_lost" in line for line in running.log.lines))
        raw.send(b"RCPT TO:<a@lab.example>\r\n")
        assert raw.reply()[:9] == "451 4.3.0"


def test_backlog(start: Start) -> None:
    """While smar thinks, a client that goes on sending is not read without end."""
    running = start(ACCESS + "max_idle_commands = 100000;")
    questions: list[CheckAccess] = []

    def wait(question: CheckAccess) -> AccessChecked | None:
        if question.stage == Stage.MAIL:
            questions.append(question)
            return None
        return AccessChecked(question.request_id, Verdict.ACCEPT)

    running.smar.rule = wait
    with closing(Raw(running)) as raw:
        raw.line()
        raw.send(b"EHLO x\r\nMAIL FROM:<b@lab.example>\r\n" + b"NOOP %s\r\n" % (b"x" * 480) * 1000)
        assert raw.reply()[:3] == "250"
        wait_for(lambda: questions)
        (session,) = running.call(lambda: list(sessions_of(running)))
        wait_for(lambda: not session.transport.is_reading())
        assert session.core.backlog < 1_000_000
        answer = AccessChecked(questions[0].request_id, Verdict.ACCEPT)
        running.call(lambda: running.smar.channels[0].send(answer))
        assert [raw.reply()[:3] for _ in range(1001)] == ["250"] * 1001


def test_client_leaves_while_it_is_checked(start: Start) -> None:
    """An answer for a client that is gone changes nothing."""
    running = start(ACCESS)
    questions: list[CheckAccess] = []
    running.smar.rule = questions.append  # type: ignore[assignment]
    raw = Raw(running)
    wait_for(lambda: questions)
    raw.close()
    wait_for(lambda: any(" closed " in line for line in running.log.lines))
    answer = AccessChecked(questions[0].request_id, Verdict.ACCEPT)
    running.call(lambda: running.smar.channels[0].send(answer))
    running.smar.rule = allow_local
    send(running)


def test_broken_connection(start: Start) -> None:
    """A reset connection is noted and forgotten."""
    running = start(ACCESS)
    raw = Raw(running)
    raw.line()
    raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raw.close()
    wait_for(lambda: any(" read_failed " in line for line in running.log.lines))


def test_queue_full(start: Start) -> None:
    """While qmgr takes nothing MAIL gets 452; when it does again, 250."""
    running = start(ACCESS)
    running.call(lambda: running.qmgr.channels[0].send(QueueStateChanged(False, "full")))
    wait_for(lambda: any("queue_state accepting=False" in line for line in running.log.lines))
    assert talk(running, "EHLO x", "MAIL FROM:<b@lab.example>")[1][:9] == "452 4.3.2"
    running.call(lambda: running.qmgr.channels[0].send(QueueStateChanged(True)))
    wait_for(lambda: "accepting=True" in running.log.lines[-1])
    send(running)


def test_qmgr_refuses(start: Start) -> None:
    """qmgr's refusal is the reply to the dot."""
    running = start(ACCESS)
    running.qmgr.refusal = (452, "4.3.1", "Disk full")
    with pytest.raises(smtplib.SMTPDataError) as caught:
        send(running)
    assert caught.value.smtp_code == 452 and b"Disk full" in caught.value.smtp_error
    (line,) = [line for line in running.log.lines if " refused " in line]
    envelope = running.qmgr.of(CommitTransaction)[0].envelope
    assert "stage=DATA" in line and f"transaction={envelope.transaction_id}" in line


def test_qmgr_dies_before_the_answer(start: Start) -> None:
    """No answer from qmgr is no 250; the next MAIL is refused for now; then all is well again."""
    running = start(ACCESS)
    running.qmgr.silent = True
    with closing(Raw(running)) as raw:
        raw.line()
        raw.send(b"EHLO x\r\nMAIL FROM:<b@lab.example>\r\nRCPT TO:<a@lab.example>\r\nDATA\r\n")
        [raw.reply() for _ in range(4)]
        raw.send(b"x\r\n.\r\n")
        wait_for(lambda: any("Commit" in type(one).__name__ for one in running.qmgr.seen))
        running.call(running.qmgr.stop)
        assert raw.reply()[:9] == "451 4.3.0"
        raw.send(b"MAIL FROM:<b@lab.example>\r\n")
        assert raw.reply()[:9] == "451 4.3.2"
        running.qmgr.silent = False
        running.call(running.qmgr.start)
        wait_for(lambda: running.qmgr.channels)
        wait_for(lambda: "queue_state accepting=True" in running.log.lines[-1])
        raw.send(b"MAIL FROM:<b@lab.example>\r\n")
        assert raw.reply()[:3] == "250"


def test_left_over_files_are_told(start: Start, box: Path) -> None:
    """Files of earlier runs, also of processes that are no more, are sealed after Hello."""
    (box / "cdb").mkdir()
    for name in ("00-0000000001", "05-0000000002L", "junk"):
        (box / "cdb" / name).touch()
    running = start(ACCESS)
    wait_for(lambda: len(running.qmgr.of(SealSegment)) == 2)
    assert {one.path for one in running.qmgr.of(SealSegment)} == {
        "cdb/00-0000000001", "cdb/05-0000000002L",
    }  # fmt: skip


# ---- disk --------------------------------------------------------------------------------------


def full(*args: Any) -> int:
    """Be a disk without space."""
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("size", [100, 3 * LARGE])
def test_disk_full(start: Start, monkeypatch: pytest.MonkeyPatch, size: int, box: Path) -> None:
    """No space: 452, nothing at qmgr, no file left, and the session goes on."""
    running = start(ACCESS)
    with smtplib.SMTP("127.0.0.1", running.port) as client:
        monkeypatch.setattr("meta1.queue.cdb.os.pwritev", full)
        with pytest.raises(smtplib.SMTPDataError) as caught:
            client.sendmail("b@lab.example", ["a@lab.example"], "x" * 70 + "\r\n" * (size // 2))
        assert caught.value.smtp_code == 452
        monkeypatch.undo()
        client.sendmail("b@lab.example", ["a@lab.example"], MAIL)
    assert len(running.qmgr.envelopes) == 1
    wait_for(lambda: not list((box / "cdb").glob("*L")))


def test_little_space(start: Start, box: Path) -> None:
    """MAIL is refused before the disk is full, with its SIZE counted in."""
    free = os.statvfs(box)
    room = free.f_bavail * free.f_frsize
    tight = start(ACCESS + f"max_message_size = {2**39}; min_free_space = {max(room - 2**30, 0)};")
    got = talk(
        tight, "EHLO x", "MAIL FROM:<b@lab.example> SIZE=9000000000", "MAIL FROM:<b@lab.example>"
    )
    assert [line[:9] for line in got[1:]] == ["452 4.3.1", "250 2.1.0"]


def test_failed_sync_ends_the_process(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """After EIO from fdatasync the client gets 451, qmgr an abort, and the daemon ends."""
    running = start(ACCESS)

    def broken(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("meta1.queue.cdb.os.fdatasync", broken)
    with pytest.raises(smtplib.SMTPException):
        send(running)
    running.thread.join(20)
    assert isinstance(running.error, OSError) and running.error.errno == errno.EIO
    assert running.qmgr.of(AbortTransaction)


# ---- the end -----------------------------------------------------------------------------------


def test_shutdown(start: Start) -> None:
    """Idle sessions get 421 at once; a mail under way is finished first."""
    running = start(ACCESS)
    idle, busy = Raw(running), Raw(running)
    idle.line(), busy.line()
    busy.send(b"EHLO x\r\nMAIL FROM:<b@lab.example>\r\nRCPT TO:<a@lab.example>\r\nDATA\r\n")
    assert [busy.reply()[:3] for _ in range(4)][-1] == "354"
    running.loop.call_soon_threadsafe(running.service.stopping.set)
    assert idle.line()[:9] == "421 4.3.2" and idle.line() == ""
    busy.send(b"Subject: last\r\n\r\n.\r\n")
    assert busy.reply()[:3] == "250"
    assert busy.reply()[:9] == "421 4.3.2"
    running.thread.join(20)
    assert running.error is None
    assert b"Subject: last" in running.content()


def test_shutdown_does_not_wait_for_ever(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that never ends its mail is left when the time of grace is over."""
    monkeypatch.setattr("meta1.smtps.GRACE", 0.2)
    running = start(ACCESS)
    with closing(Raw(running)) as raw:
        raw.line()
        raw.send(b"EHLO x\r\nMAIL FROM:<b@lab.example>\r\nRCPT TO:<a@lab.example>\r\nDATA\r\n")
        assert [raw.reply()[:3] for _ in range(4)][-1] == "354"
        running.stop()
        assert raw.reply()[:9] == "421 4.3.2"
    assert running.qmgr.envelopes == []


def test_start_without_peers(start: Start) -> None:
    """Without qmgr and smar the server starts after wait_for_server and refuses for now."""
    running = start("wait_for_server = 0;", peers=False)
    assert talk(running, "EHLO x", "MAIL FROM:<b@lab.example>")[1][:9] == "451 4.3.2"
    assert any("peers_missing" in line for line in running.log.lines)


def test_messages_that_nobody_expects(start: Start) -> None:
    """A peer that says what it should not is noted; the server goes on."""
    running = start(ACCESS)
    for peer in (running.qmgr, running.smar):
        running.call(lambda peer=peer: peer.channels[0].send(AbortTransaction("S1")))
    running.call(lambda: running.qmgr.channels[0].send(TransactionCommitted("S1")))
    wait_for(lambda: sum("unexpected_message" in line for line in running.log.lines) == 2)
    send(running)


def test_peers_that_do_not_answer(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither smar nor qmgr can hold a session for ever."""
    monkeypatch.setattr("meta1.smtps_peers.PATIENCE", 0.1)
    monkeypatch.setattr("meta1.smtps_peers.COMMIT_PATIENCE", 0.1)
    monkeypatch.setattr("meta1.smtps.TICK", 0.1)
    running = start("")
    running.smar.rule = lambda question: None
    assert talk(running, "EHLO x", "MAIL FROM:<b@lab.example>", "RCPT TO:<a@lab.example>")[2][
        :9
    ] == ("451 4.3.0")
    running.smar.rule = allow_local
    running.qmgr.silent = True
    with pytest.raises(smtplib.SMTPDataError) as caught:
        send(running)
    assert caught.value.smtp_code == 451


def test_reload(start: Start) -> None:
    """New sessions see new options; a wrong tls section keeps the old ones."""
    running = start(ACCESS)
    section = running.config.smtps[0]

    def reload(options: str) -> None:
        from meta1.config import parse_config

        config = parse_config(f"smtps {{ listen_socket {{ port = 25; }} {options} }}".encode())
        running.call(lambda: running.service._on_reload(config, config.smtps[0]))  # type: ignore[misc]

    reload("greeting = Servus; max_sessions_per_client = 1;")
    with closing(Raw(running)) as raw:
        raw.line()
        raw.send(b"EHLO x\r\n")
        assert raw.line().endswith("ESMTP Servus")
        assert Raw(running).line()[:3] == "421"
    reload("greeting = Never; tls { cert_file = /nonexistent; key_file = /nonexistent; }")
    assert any("not_reloaded" in line for line in running.log.lines)
    assert section is running.config.smtps[0]


def test_asyncio_is_the_fallback(start: Start) -> None:
    """Nothing needs uvloop."""
    running = start(ACCESS, loop_factory=asyncio.new_event_loop)
    send(running)
    assert len(running.qmgr.envelopes) == 1

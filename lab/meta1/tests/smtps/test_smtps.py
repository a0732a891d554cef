"""smtps over real sockets, with stand-ins for qmgr and smar at the real channels."""

from __future__ import annotations

import smtplib
import socket
import subprocess
import threading
from contextlib import closing
from pathlib import Path

import pytest
from server_fixture import HOST
from talk import ACCESS, MAIL, Raw, Start, send, stages, talk, wait_for

from meta1.messages import (
    AccessChecked,
    CheckAccess,
    Client,
    RemoveSegment,
    ResolveClient,
    SealSegment,
    Stage,
    Verdict,
)
from meta1.queue.cdb import LARGE

# ---- the good way ------------------------------------------------------------------------------


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_mail(start: Start, loop: str) -> None:
    """A mail is on disk with its Received line, and qmgr has the envelope."""
    factory = None
    if loop == "uvloop":
        import uvloop

        factory = uvloop.new_event_loop
    running = start(ACCESS, loop_factory=factory)
    send(running, "alice@lab.example", "carol@lab.example")
    (envelope,) = running.qmgr.envelopes
    assert envelope.reverse_path == "bob@lab.example"
    assert [one.forward_path for one in envelope.recipients] == [
        "alice@lab.example", "carol@lab.example",
    ]  # fmt: skip
    text = running.content().decode()
    assert text.startswith("Received: from client.lab.example (client.lab.example [127.0.0.1])\r\n")
    assert f"by {HOST} (MeTA1." in text and envelope.transaction_id in text
    assert text.endswith(MAIL)
    assert text[: envelope.content.header_length].endswith("Subject: test\r\n\r\n")
    (line,) = [line for line in running.log.lines if " received " in line]
    assert line.startswith(envelope.transaction_id)
    for part in ("recipients=2", "to=alice@lab.example,carol@lab.example", "reverse_path="):
        assert part in line


def test_greeting_and_ehlo(start: Start) -> None:
    """The texts of the tutorial."""
    running = start(ACCESS)
    with closing(Raw(running)) as raw:
        assert raw.line().startswith(f"220 {HOST} ESMTP MeTA1.")
        raw.send(b"EHLO x\r\n")
        assert raw.line() == f"250-{HOST} ESMTP Hi there"
        lines = [raw.line()]
        while lines[-1][3] == "-":
            lines.append(raw.line())
        assert lines[-1] == "250 HELP"
        assert "250-SIZE 67108864" in lines and "250-8BITMIME" in lines


def test_many_mails_in_one_session(start: Start) -> None:
    """Each transaction has its own id; all ids differ."""
    running = start(ACCESS)
    with smtplib.SMTP("127.0.0.1", running.port) as client:
        for number in range(50):
            client.sendmail("bob@lab.example", ["alice@lab.example"], f"X: {number}\r\n\r\n")
    ids = {one.transaction_id for one in running.qmgr.envelopes}
    assert len(ids) == 50 and all(len(one) == 19 and one[0] == "S" for one in ids)
    assert b"X: 49\r\n" in running.content(49)


def test_many_sessions(start: Start) -> None:
    """Sessions side by side do not mix."""
    running = start(ACCESS)
    threads = [
        threading.Thread(target=send, args=(running, f"user{number}@lab.example"))
        for number in range(30)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(running.qmgr.envelopes) == 30
    for number, envelope in enumerate(running.qmgr.envelopes):
        user = envelope.recipients[0].forward_path.encode()
        assert b"for <" + user + b">" in running.content(number)


def test_large_mail(start: Start, box: Path) -> None:
    """A large mail has a file of its own, sealed behind the commit."""
    running = start(ACCESS)
    body = MAIL + ("x" * 70 + "\r\n") * (LARGE // 70)
    send(running, body=body)
    envelope = running.qmgr.envelopes[0]
    assert envelope.content.path.endswith("L")
    assert running.content().decode().endswith(body)
    wait_for(lambda: running.qmgr.of(SealSegment))
    kinds = [type(message).__name__ for message in running.qmgr.seen]
    assert kinds.index("CommitTransaction") < kinds.index("SealSegment")
    running.call(lambda: running.qmgr.channels[0].send(RemoveSegment(envelope.content.path)))
    wait_for(lambda: not (box / envelope.content.path).exists())


def test_null_sender_and_postmaster(start: Start) -> None:
    """`<>` goes to qmgr as `<>`; a bare postmaster is ours."""
    running = start(ACCESS)
    got = talk(running, "EHLO x", "MAIL FROM:<>", "RCPT TO:<postmaster>", "DATA", b".\r\n", "QUIT")
    assert [line[:3] for line in got] == ["250", "250", "250", "354", "250", "221"]
    (envelope,) = running.qmgr.envelopes
    assert envelope.reverse_path == "<>"
    assert envelope.recipients[0].forward_path == f"postmaster@{HOST}"


def test_dsn_parameters(start: Start) -> None:
    """RET, ENVID, NOTIFY and ORCPT reach the envelope."""
    running = start(ACCESS)
    talk(
        running,
        "EHLO x",
        "MAIL FROM:<b@lab.example> RET=HDRS ENVID=a+2Bb BODY=8BITMIME",
        "RCPT TO:<a@lab.example> NOTIFY=DELAY,SUCCESS ORCPT=rfc822;x@y",
        "DATA",
        b"x\r\n.\r\n",
    )
    (envelope,) = running.qmgr.envelopes
    assert (envelope.return_part, envelope.envelope_id, envelope.body) == (
        "HDRS",
        "a+b",
        "8BITMIME",
    )
    assert (envelope.recipients[0].notify, envelope.recipients[0].original) == (
        "DELAY,SUCCESS",
        "rfc822;x@y",
    )


def test_pipelined_and_half_closed(start: Start) -> None:
    """A client that sends all it may and closes its side still gets its replies."""
    running = start(ACCESS)
    with closing(Raw(running)) as raw:
        raw.line()
        raw.send(b"EHLO x\r\nMAIL FROM:<b@lab.example>\r\nRCPT TO:<a@lab.example>\r\nDATA\r\n")
        assert [raw.reply()[:3] for _ in range(4)] == ["250", "250", "250", "354"]
        raw.send(b"x\r\n.\r\n")
        raw.socket.shutdown(socket.SHUT_WR)
        assert raw.reply()[:3] == "250"
        assert raw.line() == ""


def test_byte_by_byte(start: Start) -> None:
    """A client that sends single bytes gets the same."""
    running = start(ACCESS)
    data = b"EHLO x\r\nMAIL FROM:<b@lab.example>\r\nRCPT TO:<a@lab.example>\r\nDATA\r\n"
    with closing(Raw(running)) as raw:
        raw.line()
        raw.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for index in range(len(data)):
            raw.send(data[index : index + 1])
        assert [raw.reply()[:3] for _ in range(4)] == ["250", "250", "250", "354"]
        for byte in (b"..a", b"\r", b"\n", b".", b"\r", b"\n"):
            raw.send(byte)
        assert raw.reply()[:3] == "250"
    assert running.content().endswith(b"\r\n.a\r\n")


@pytest.mark.parametrize("pipeline", [[], ["--pipeline"]])
def test_swaks(start: Start, pipeline: list[str]) -> None:
    """swaks delivers, one by one and pipelined."""
    running = start(ACCESS)
    done = subprocess.run(
        ["swaks", "--server", f"127.0.0.1:{running.port}", "--to", "alice@lab.example",
         "--from", "bob@lab.example", "--helo", "x", *pipeline],
        capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(running.qmgr.envelopes) == 1


# ---- access ------------------------------------------------------------------------------------


def test_relaying_denied(start: Start) -> None:
    """A refused recipient gets smar's reply, and the log names it."""
    running = start(ACCESS)
    with pytest.raises(smtplib.SMTPRecipientsRefused) as caught:
        send(running, "x@elsewhere.example")
    assert caught.value.recipients["x@elsewhere.example"][0] == 550
    (line,) = [line for line in running.log.lines if " refused " in line]
    assert "stage=RCPT" in line and "x@elsewhere.example" in line and "bob@lab.example" in line


def test_what_is_asked(start: Start) -> None:
    """With the flag access each stage is asked, with all that is known at that time."""
    running = start(ACCESS)
    send(running)
    assert stages(running) == ["CONNECT", "MAIL", "RCPT"]
    question = running.smar.seen[-1]
    assert isinstance(question, CheckAccess)
    assert question.client == Client("127.0.0.1", "client.lab.example", "OK", "client.lab.example")
    assert (question.reverse_path, question.forward_path) == (
        "bob@lab.example",
        "alice@lab.example",
    )
    assert question.use_map and not question.delayed


def test_names_are_remembered(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that comes again is not looked up again; the memory is bounded."""
    monkeypatch.setattr("meta1.smtps_peers.MAX_NAMES", 1)
    running = start(ACCESS)
    running.smar.names["127.0.0.2"] = ("FAIL", "")
    for source in ("127.0.0.1", "127.0.0.1", "127.0.0.2", "127.0.0.2", "127.0.0.3", "127.0.0.1"):
        with smtplib.SMTP(source_address=(source, 0)) as client:
            client.connect("127.0.0.1", running.port)
            client.noop()
    asked = [one.address for one in running.smar.seen if isinstance(one, ResolveClient)]
    assert asked == ["127.0.0.1", "127.0.0.2", "127.0.0.2", "127.0.0.3", "127.0.0.1"]


def test_without_map_and_with_delay(start: Start) -> None:
    """Without the flag only RCPT is asked; with delay_checks RCPT is asked for all."""
    running = start("")
    send(running)
    assert stages(running) == ["RCPT"]
    running.stop()
    delayed = start("flags = { access, delay_checks };")
    send(delayed)
    assert stages(delayed) == ["RCPT"]
    assert delayed.smar.seen[-1].delayed  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("verdict", "code", "expected"),
    [(Verdict.REFUSE, 550, 554), (Verdict.REFUSE, 571, 554), (Verdict.TRY_LATER, 451, 421)],
)
def test_client_refused(start: Start, verdict: Verdict, code: int, expected: int) -> None:
    """A client that is not wanted learns it from the greeting, by a code that is allowed there."""
    running = start(ACCESS)
    running.smar.rule = lambda question: AccessChecked(
        question.request_id, verdict, code, f"{code // 100}.7.1", "Go away", "cltaddr:127"
    )
    with closing(Raw(running)) as raw:
        assert raw.line() == f"{expected} {code // 100}.7.1 Go away"
        if expected == 554:
            raw.send(b"EHLO x\r\nQUIT\r\n")
            assert (raw.line()[:3], raw.line()[:3]) == ("503", "221")
        assert raw.line() == ""
    wait_for(lambda: any("why=refused" in line for line in running.log.lines))


@pytest.mark.parametrize("stage", list(Stage))
def test_discard(start: Start, stage: Stage) -> None:
    """Mail to be discarded is accepted and kept nowhere."""
    running = start(ACCESS)
    running.smar.rule = lambda question: AccessChecked(
        question.request_id, Verdict.DISCARD if question.stage == stage else Verdict.ACCEPT
    )
    send(running)
    assert running.qmgr.envelopes == []
    assert any("discarded=True" in line for line in running.log.lines)


def test_quick_answer_saves_the_sender_check(start: Start) -> None:
    """A final answer at CONNECT makes the question at MAIL needless."""
    running = start(ACCESS)
    running.smar.rule = lambda question: AccessChecked(
        question.request_id, Verdict.ACCEPT, final=True
    )
    send(running)
    assert stages(running) == ["CONNECT", "RCPT"]


def test_smar_away(start: Start) -> None:
    """Without smar nothing is accepted and nothing is refused for good."""
    running = start("")
    with closing(Raw(running)) as raw:
        raw.line()
        raw.send(b"EHLO x\r\nMAIL FROM:<b@lab.example>\r\n")
        raw.reply(), raw.reply()
        running.smar.rule = lambda question: None
        raw.send(b"RCPT TO:<a@lab.example>\r\n")
        wait_for(lambda: "RCPT" in stages(running))
        running.call(running.smar.stop)
        assert raw.reply()[:9] == "451 4.3.0"
        raw.send(b"RCPT TO:<a@lab.example>\r\n")
        assert raw.reply()[:9] == "451 4.3.0"

"""The limits of smtps: sessions, time, errors, sizes."""

from __future__ import annotations

import smtplib
import time
from contextlib import closing
from pathlib import Path

import pytest
from talk import ACCESS, Raw, Start, sessions_of, talk, wait_for

from meta1.messages import AccessChecked, Verdict

# ---- limits ------------------------------------------------------------------------------------


def test_sessions_per_client(start: Start) -> None:
    """One client cannot take all sessions; a slot that is left can be used again."""
    running = start(ACCESS + "max_sessions_per_client = 2;")
    one, two, three = Raw(running), Raw(running), Raw(running)
    assert one.line()[:3] == two.line()[:3] == "220"
    assert three.line()[:9] == "421 4.7.0" and three.line() == ""
    one.close()
    wait_for(lambda: any(" closed " in line and "why" in line for line in running.log.lines[-3:]))
    wait_for(lambda: Raw(running).line()[:3] == "220")


def test_sessions_in_all(start: Start) -> None:
    """Above the total the greeting is 421."""
    running = start(ACCESS + "max_sessions = 1;")
    one, two = Raw(running), Raw(running)
    assert {one.line()[:3], two.line()[:3]} == {"220", "421"}


@pytest.mark.whole  # it depends on how fast the machine is
def test_silent_client(start: Start) -> None:
    """A client that says nothing, or only single bytes, is left after IO_timeout."""
    running = start(ACCESS + "IO_timeout = 1;")
    with closing(Raw(running)) as raw:
        assert raw.line()[:3] == "220"
        began = time.monotonic()
        with pytest.raises(OSError):
            for _ in range(100):
                raw.send(b"N")
                time.sleep(0.1)
        assert 0.8 < time.monotonic() - began < 5
    assert any('why="timed out"' in line for line in running.log.lines)


@pytest.mark.whole  # it depends on how fast the machine is
def test_refused_client_that_stays(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind 554 a client has a short time for QUIT, and other commands do not make it longer."""
    monkeypatch.setattr("meta1.smtps_connection.QUIT_TIMEOUT", 1.0)
    running = start(ACCESS)
    running.smar.rule = lambda question: AccessChecked(
        question.request_id, Verdict.REFUSE, 550, "5.7.1", "Go away", "cltaddr:127"
    )
    with closing(Raw(running)) as raw:
        assert raw.line()[:3] == "554"
        began = time.monotonic()
        replies = []
        while not replies or replies[-1] == "503":
            raw.send(b"EHLO x\r\n")
            replies.append(raw.line()[:3])
            time.sleep(0.2)
        assert replies[-1] == "421"
        assert 0.8 < time.monotonic() - began < 4


@pytest.mark.whole  # it depends on how fast the machine is
def test_slow_content(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Content that drips is not waited for."""
    monkeypatch.setattr("meta1.smtps_connection.RATE_AFTER", 0.5)
    running = start(ACCESS + "min_data_rate = 1000;")
    with closing(Raw(running)) as raw:
        raw.line()
        raw.send(b"EHLO x\r\nMAIL FROM:<b@lab.example>\r\nRCPT TO:<a@lab.example>\r\nDATA\r\n")
        [raw.reply() for _ in range(4)]
        for _ in range(20):
            raw.send(b"drip\r\n")
            time.sleep(0.1)
            if any("too slow" in line for line in running.log.lines):
                break
        assert raw.reply()[:9] == "421 4.4.2"


@pytest.mark.whole  # it depends on how fast the machine is
def test_client_that_does_not_read(start: Start) -> None:
    """Replies that nobody reads do not fill the memory: reading stops."""
    running = start(ACCESS + "max_idle_commands = 100000;")
    with closing(Raw(running)) as raw:
        raw.line()
        raw.send(b"EHLO x\r\n")
        raw.socket.settimeout(1.5)
        sent = 0
        with pytest.raises(TimeoutError):
            while sent < 100_000_000:
                sent += raw.socket.send(b"HELP\r\n" * 2000)
        (session,) = running.call(lambda: list(sessions_of(running)))
        # Some buffers of the kernel's size, times what a reply is longer than its command.
        assert session.transport.get_write_buffer_size() < 16_000_000
        assert session.core.backlog < 1_000_000


def test_error_limit(start: Start) -> None:
    """Too many errors end the session."""
    running = start(ACCESS + "max_errors = 2;")
    assert talk(running, "X", "X", b"X\r\n")[:2] == ["500 5.5.1 Command not known"] * 2
    wait_for(lambda: any("too many errors" in line for line in running.log.lines))


def test_message_too_large(start: Start) -> None:
    """A mail over the limit is refused, declared or not, and leaves nothing."""
    running = start(ACCESS + "max_message_size = 2000;")
    with smtplib.SMTP("127.0.0.1", running.port) as client:
        client.ehlo_or_helo_if_needed()
        client.esmtp_features.pop("size")
        with pytest.raises(smtplib.SMTPDataError) as caught:
            client.sendmail("b@lab.example", ["a@lab.example"], "x" * 70 + "\r\n" * 1000)
    assert caught.value.smtp_code == 552
    assert running.qmgr.envelopes == []


def test_client_goes_away(start: Start, box: Path) -> None:
    """A client that leaves in the middle of a large mail leaves no file."""
    running = start(ACCESS)
    raw = Raw(running)
    raw.line()
    raw.send(b"EHLO x\r\nMAIL FROM:<b@lab.example>\r\nRCPT TO:<a@lab.example>\r\nDATA\r\n")
    [raw.reply() for _ in range(4)]
    raw.send((b"x" * 70 + b"\r\n") * 5000)
    wait_for(lambda: list((box / "cdb").glob("*L")))
    raw.close()
    wait_for(lambda: not list((box / "cdb").glob("*L")))

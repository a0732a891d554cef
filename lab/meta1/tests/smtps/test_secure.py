"""STARTTLS and AUTH over real sockets: smtplib, openssl s_client, swaks."""

from __future__ import annotations

import smtplib
import socket
import ssl
import struct
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pki import Authority, client_context
from receiver import DIALOGS, bytes_of, fits, steps_of
from server_fixture import Running
from talk import ACCESS, Raw, wait_for

Start = Callable[..., Running]


def loops() -> list[Any]:
    """Both kinds of loop."""
    import asyncio

    import uvloop

    return [asyncio.new_event_loop, uvloop.new_event_loop]


def test_dialogs_over_sockets(start: Start, tls_options: str) -> None:
    """Each dialog holds against the daemon as it does against the core."""
    running = start(ACCESS + tls_options)
    for path in sorted(DIALOGS.glob("*.txt")):
        with closing(Raw(running)) as raw:
            pending: list[str] = []
            for kind, text in steps_of(path):
                if kind != "S":
                    raw.send(bytes_of(kind, text))
                elif text == "(closed)":
                    assert raw.line() == "", path
                else:
                    line = pending.pop() if pending else raw.line()
                    assert fits(text, line), (path, text, line)
                    while text.endswith("-*") and fits(text, line := raw.line()):
                        pass
                    if text.endswith("-*"):
                        pending.append(line)


# ---- STARTTLS --------------------------------------------------------------------------------


@pytest.mark.parametrize("loop", loops(), ids=["asyncio", "uvloop"])
def test_mail_in_tls(start: Start, tls_options: str, loop: Any) -> None:
    """A mail inside TLS says so in its Received line and in the log."""
    running = start(ACCESS + tls_options, loop_factory=loop)
    with smtplib.SMTP("127.0.0.1", running.port, "x.example", timeout=60) as client:
        client.starttls(context=client_context())
        client.ehlo()
        assert not client.has_extn("starttls")
        client.sendmail("b@lab.example", ["a@lab.example"], "x")
    text = running.content().decode()
    assert "(version=TLSv1.3 cipher=TLS_" in text and "verify=NO)" in text
    assert " with ESMTPS\r\n" in text
    assert any(" starttls " in line and "version=TLSv1.3" in line for line in running.log.lines)


@pytest.mark.parametrize("loop", loops(), ids=["asyncio", "uvloop"])
def test_reset_after_quit_is_no_trouble(start: Start, tls_options: str, loop: Any) -> None:
    """Many clients take 221 and go, without a proper end of TLS; nothing has failed then."""
    running = start(ACCESS + tls_options, loop_factory=loop)
    client = smtplib.SMTP("127.0.0.1", running.port, "x.example", timeout=60)
    client.starttls(context=client_context())
    assert client.docmd("QUIT")[0] == 221
    assert client.sock is not None
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    wait_for(lambda: any(" closed " in line for line in running.log.lines))
    assert not any(" read_failed " in line for line in running.log.lines)


@pytest.mark.parametrize("loop", loops(), ids=["asyncio", "uvloop"])
def test_client_that_speaks_at_once(start: Start, tls_options: str, loop: Any) -> None:
    """EHLO in the same write as the end of the handshake is not lost."""
    running = start(ACCESS + tls_options, loop_factory=loop)
    for _ in range(20):
        with closing(Raw(running)) as raw:
            raw.line()
            raw.send(b"EHLO x\r\nSTARTTLS\r\n")
            assert [raw.reply()[:3] for _ in range(2)] == ["250", "220"]
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            session = client_context().wrap_bio(incoming, outgoing)
            while True:
                try:
                    session.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    raw.send(outgoing.read())
                    incoming.write(raw.socket.recv(65536))
            session.write(b"EHLO y\r\nQUIT\r\n")
            raw.send(outgoing.read())
            got = b""
            while b"221" not in got:
                incoming.write(raw.socket.recv(65536))
                try:
                    got += session.read(65536)
                except ssl.SSLWantReadError:
                    continue
            assert got.startswith(b"250-")


def test_client_certificates(
    start: Start, tls_options: str, authority: Authority, tmp_path: Path
) -> None:
    """A certificate of our CA is OK and may relay; one of a stranger is FAIL and may not."""
    running = start(ACCESS + tls_options)
    good, bad = authority.issue("friend"), Authority(tmp_path, "Other").issue("stranger")
    for pair, verify in ((good, "OK"), (bad, "FAIL")):
        with smtplib.SMTP("127.0.0.1", running.port, timeout=60) as client:
            client.starttls(context=client_context(pair))
            if verify == "OK":
                client.sendmail("b@lab.example", ["x@elsewhere.example"], "x")
            else:
                with pytest.raises(smtplib.SMTPRecipientsRefused):
                    client.sendmail("b@lab.example", ["x@elsewhere.example"], "x")
        question = running.smar.seen[-1]
        assert question.client.tls_verify == verify  # type: ignore[union-attr]
    assert question.client.cert_subject == "/CN=stranger"  # type: ignore[union-attr]
    assert "verify=OK" in running.content().decode()


def test_openssl_s_client(start: Start, tls_options: str) -> None:
    """The tutorial's test works; the names of our CAs are sent; only TLS 1.2 and 1.3 are spoken."""
    running = start(ACCESS + tls_options)

    def s_client(*options: str) -> str:
        done = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{running.port}", "-starttls", "smtp",
             "-crlf", "-ign_eof", *options],
            input="QUIT\n", capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        return done.stdout + done.stderr

    text = s_client()
    assert "250 HELP" in text and "221 2.0.0" in text
    assert "Acceptable client certificate CA names" in text and "Lab CA" in text
    assert "TLSv1.2" in s_client("-tls1_2") and "250 HELP" in s_client("-tls1_2")
    assert "250 HELP" not in s_client("-tls1_1", "-cipher", "ALL:@SECLEVEL=0")


def test_injection_behind_starttls(start: Start, tls_options: str) -> None:
    """Commands behind STARTTLS in clear text end the session; none is carried out."""
    running = start(ACCESS + tls_options)
    with closing(Raw(running)) as raw:
        raw.line()
        raw.send(b"EHLO x\r\n")
        raw.reply()
        raw.send(b"STARTTLS\r\nRSET\r\nMAIL FROM:<e@lab.example>\r\n")
        assert raw.reply()[:3] == "503" and raw.line() == ""


def test_garbage_instead_of_a_handshake(start: Start, tls_options: str) -> None:
    """A client that does not shake hands is left, with a line in the log."""
    running = start(ACCESS + tls_options)
    with closing(Raw(running)) as raw:
        raw.line()
        raw.send(b"EHLO x\r\nSTARTTLS\r\n")
        raw.reply(), raw.reply()
        raw.send(b"this is no TLS\r\n" * 10)
        raw.socket.settimeout(60)
        try:
            while raw.socket.recv(4096):
                pass
        except ConnectionResetError:
            pass
    wait_for(lambda: any("starttls_failed" in line for line in running.log.lines))
    assert any('why="TLS failed"' in line for line in running.log.lines)


def test_client_that_leaves_in_the_handshake(start: Start, tls_options: str) -> None:
    """A connection closed behind the 220 is forgotten."""
    running = start(ACCESS + tls_options)
    with closing(Raw(running)) as raw:
        raw.line()
        raw.send(b"EHLO x\r\nSTARTTLS\r\n")
        raw.reply(), raw.reply()
    wait_for(lambda: any(" closed " in line for line in running.log.lines))


@pytest.mark.parametrize("loop", loops(), ids=["asyncio", "uvloop"])
def test_reset_in_the_handshake_is_counted_out(start: Start, tls_options: str, loop: Any) -> None:
    """Whoever breaks handshakes off does not use up the sessions, neither his nor all."""
    running = start(ACCESS + tls_options + "max_sessions_per_client = 2;", loop_factory=loop)
    for number in range(1, 5):
        with closing(Raw(running)) as raw:
            assert raw.line()[:3] == "220"
            raw.send(b"EHLO x\r\nSTARTTLS\r\n")
            raw.reply(), raw.reply()
            raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        wait_for(lambda n=number: sum(" closed " in line for line in running.log.lines) == n)


@pytest.mark.parametrize("loop", loops(), ids=["asyncio", "uvloop"])
def test_silence_in_the_handshake_is_counted_out(
    start: Start, tls_options: str, loop: Any
) -> None:
    """Whoever says STARTTLS and then nothing is left after a while, and holds no session."""
    running = start(ACCESS + tls_options + "IO_timeout = 1;", loop_factory=loop)
    with closing(Raw(running)) as raw:
        raw.line()
        raw.send(b"EHLO x\r\nSTARTTLS\r\n")
        raw.reply(), raw.reply()
        wait_for(lambda: any(" closed " in line for line in running.log.lines))
    assert not any("never retrieved" in line for line in running.log.lines)


def test_unusable_tls_section(start: Start, authority: Authority) -> None:
    """A key that others can read does not start the server."""
    cert, key = authority.issue("open")
    key.chmod(0o644)
    with pytest.raises(AssertionError):
        start(ACCESS + f'tls {{ key_file = "{key}"; cert_file = "{cert}"; }}')

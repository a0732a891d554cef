"""AUTH over real sockets: smtplib against libsasl2 and a real sasldb2."""

from __future__ import annotations

import base64
import smtplib
from collections.abc import Callable
from contextlib import closing

import pytest
from pki import client_context
from server_fixture import HOST, Running
from talk import ACCESS, Raw, send, talk

from meta1.sasl import SaslUnusable

Start = Callable[..., Running]
CRAM = 'trusted_mechanisms = "CRAM-MD5";'
BOTH = 'trusted_mechanisms = "CRAM-MD5 PLAIN";'


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wrong secrets are answered at once in tests."""
    monkeypatch.setattr("meta1.smtps_auth.PAUSE", 0.01)


# ---- AUTH ------------------------------------------------------------------------------------


def test_cram_md5(start: Start, auth_options: str) -> None:
    """A trusted mechanism may relay; the log names mechanism and user but no secret."""
    running = start(ACCESS + auth_options % (CRAM + "flags = { noplaintext };"))
    with smtplib.SMTP("127.0.0.1", running.port, timeout=60) as client:
        client.ehlo()
        assert client.esmtp_features["auth"].split() == ["CRAM-MD5"]
        client.login("alice", "secret")
        client.sendmail("b@lab.example", ["x@elsewhere.example"], "x")
    text = running.content().decode()
    assert " with ESMTPA\r\n" in text
    log = "\n".join(running.log.lines)
    assert f"auth=CRAM-MD5 user=alice@{HOST}" in log and "secret" not in log


def test_wrong_secret(start: Start, auth_options: str) -> None:
    """A wrong secret and an unknown user look the same; three end the session."""
    running = start(ACCESS + auth_options % BOTH)
    with smtplib.SMTP("127.0.0.1", running.port, timeout=60) as client:
        client.ehlo()
        seen = set()
        for user in ("alice", "nobody"):
            with pytest.raises(smtplib.SMTPAuthenticationError) as caught:
                client.login(user, "wrong")
            seen.add((caught.value.smtp_code, caught.value.smtp_error))
        assert len(seen) == 1 and seen.pop()[0] == 535
        with pytest.raises(smtplib.SMTPException):
            client.login("alice", "wrong")
        assert client.noop()[0] == 421
    assert sum("auth_failed" in line for line in running.log.lines) == 3


def test_rcpt_pipelined_behind_auth(start: Start, auth_options: str) -> None:
    """It waits for the late verdict on a wrong secret; smtps lives on and takes mail."""
    running = start(ACCESS + auth_options % CRAM)
    with closing(Raw(running)) as raw:
        raw.line()
        raw.send(b"EHLO c\r\n")
        raw.reply()
        raw.send(b"AUTH CRAM-MD5\r\n")
        raw.reply()
        raw.send(base64.b64encode(b"alice 00") + b"\r\nRCPT TO:<b@lab.example>\r\n")
        assert [raw.reply()[:3], raw.reply()[:3]] == ["535", "503"]
    send(running)
    assert running.error is None and running.content().endswith(b"hello\r\n")


def test_plain_only_in_tls(start: Start, auth_options: str, tls_options: str) -> None:
    """PLAIN is offered and taken inside TLS only."""
    running = start(ACCESS + tls_options + auth_options % BOTH)
    got = talk(running, "EHLO x", "AUTH PLAIN AGFsaWNlAHNlY3JldA==")
    assert got[1] == "538 5.7.11 Encryption required for this mechanism"
    with smtplib.SMTP("127.0.0.1", running.port, timeout=60) as client:
        client.starttls(context=client_context())
        client.ehlo()
        assert client.esmtp_features["auth"].split() == ["CRAM-MD5", "PLAIN"]
        client.user, client.password = "alice", "secret"
        client.auth("PLAIN", client.auth_plain)
        client.sendmail("b@lab.example", ["x@elsewhere.example"], "x")
    assert " with ESMTPSA\r\n" in running.content().decode()


def test_noplaintext_and_require_tls(start: Start, auth_options: str, tls_options: str) -> None:
    """The flags take mechanisms away."""
    running = start(
        ACCESS + tls_options + auth_options % (CRAM + "flags = { noplaintext, require_tls };")
    )
    with smtplib.SMTP("127.0.0.1", running.port, timeout=60) as client:
        client.ehlo()
        assert "auth" not in client.esmtp_features
        client.starttls(context=client_context())
        client.ehlo()
        assert client.esmtp_features["auth"].split() == ["CRAM-MD5"]


def test_starttls_forgets_authentication(start: Start, auth_options: str, tls_options: str) -> None:
    """Who authenticated in clear text has to do so again inside TLS (RFC 3207)."""
    running = start(ACCESS + tls_options + auth_options % BOTH)
    with smtplib.SMTP("127.0.0.1", running.port, timeout=60) as client:
        client.login("alice", "secret")
        client.starttls(context=client_context())
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            client.sendmail("b@lab.example", ["x@elsewhere.example"], "x")


def test_cancelled_attempt(start: Start, auth_options: str) -> None:
    """A star gives up; the next attempt is a new one."""
    running = start(ACCESS + auth_options % BOTH)
    got = talk(running, "EHLO x", "AUTH CRAM-MD5", "*", "AUTH CRAM-MD5")
    assert [line[:3] for line in got[1:]] == ["334", "501", "334"]
    assert got[1] != got[3]


def test_mechanism_that_is_not_there(start: Start, auth_options: str) -> None:
    """What libsasl2 cannot do is not offered, and the log says so."""
    running = start(ACCESS + auth_options % (CRAM + 'mechanisms = "CRAM-MD5 NOSUCH";'))
    with smtplib.SMTP("127.0.0.1", running.port, timeout=60) as client:
        client.ehlo()
        assert client.esmtp_features["auth"].split() == ["CRAM-MD5"]
    assert any("auth_mechanisms_missing" in line and "NOSUCH" in line for line in running.log.lines)


def test_library_that_fails_later(
    start: Start, auth_options: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If libsasl2 cannot open an attempt the client hears 454, and the session goes on."""
    running = start(ACCESS + auth_options % CRAM)

    def fail(sasl: object, *, secure: bool) -> None:
        raise SaslUnusable("no memory")

    monkeypatch.setattr("meta1.sasl.Sasl.begin", fail)
    got = talk(running, "EHLO x", "AUTH CRAM-MD5", "NOOP")
    assert [line[:3] for line in got[1:]] == ["454", "250"]
    assert any("auth_not_possible" in line for line in running.log.lines)


def test_no_library(start: Start, auth_options: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without libsasl2 the server runs, without AUTH."""

    def no_library() -> None:
        raise SaslUnusable("no libsasl2")

    monkeypatch.setattr("meta1.sasl._started", no_library)
    running = start(ACCESS + auth_options % BOTH)
    assert talk(running, "EHLO x", "AUTH CRAM-MD5")[1][:3] == "502"
    assert any("auth_not_offered" in line for line in running.log.lines)

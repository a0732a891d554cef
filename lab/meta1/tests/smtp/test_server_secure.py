"""The server core: STARTTLS and AUTH."""

import base64
from dataclasses import replace

import pytest
from receiver import SETTINGS, Receiver
from server_talk import codes

from meta1.smtp import events as ev
from meta1.smtp import reply as replies
from meta1.smtp.state import State

# ---- STARTTLS ------------------------------------------------------------------------------


def test_starttls() -> None:
    """After the handshake the session starts anew and offers what TLS allows."""
    receiver = Receiver()
    receiver.talk("EHLO c")
    assert codes(receiver.feed(b"STARTTLS\r\n")) == [220]
    core = receiver.core
    assert core.receive_data(b"MAIL FROM:<injected@lab.example>\r\n") == []
    core.tls_started()
    assert (core.is_tls, core.hello_name, core.state) == (True, "", State.START)
    assert receiver.talk("MAIL FROM:<a@lab.example>")[0][:3] == "503"
    lines = receiver.talk("EHLO c")
    assert "250-STARTTLS" not in lines and "250-AUTH CRAM-MD5 PLAIN" in lines
    assert receiver.talk("STARTTLS")[0][:3] == "503"


def test_starttls_refused() -> None:
    """STARTTLS takes no argument and must be offered."""
    assert Receiver().talk("EHLO c", "STARTTLS now")[-1][:3] == "501"
    assert Receiver(replace(SETTINGS, offers_tls=False)).talk("EHLO c", "STARTTLS")[-1][:3] == "502"


def test_close_during_handshake_sends_nothing() -> None:
    """A clear-text reply into a handshake would be garbage."""
    receiver = Receiver()
    receiver.talk("EHLO c", "STARTTLS")
    receiver.core.close(replies.TIMED_OUT, "timeout")
    assert receiver.core.bytes_to_send() == b""
    other = Receiver()
    other.talk("EHLO c")
    assert other.core.close(replies.TIMED_OUT, "timeout") == [ev.Closing("timeout")]
    assert codes(other.core.bytes_to_send()) == [421]


# ---- AUTH ----------------------------------------------------------------------------------


def b64(data: bytes) -> str:
    """Write base64 as the client does."""
    return base64.b64encode(data).decode()


def test_auth_exchange() -> None:
    """Challenge, response, success; a second AUTH is refused and AUTH no longer offered."""
    receiver = Receiver()
    got = receiver.talk("EHLO c", "AUTH cram-md5")
    assert got[-1] == "334 " + b64(b"<challenge>")
    assert receiver.talk(b64(b"secret"))[0][:3] == "235"
    assert receiver.core.is_authenticated
    assert receiver.talk("AUTH CRAM-MD5")[0][:3] == "503"
    assert not any("AUTH" in line for line in receiver.talk("EHLO c"))


def test_auth_initial_response() -> None:
    """An initial response comes decoded; `=` is an empty one."""
    receiver = Receiver()
    assert receiver.talk("EHLO c", f"AUTH CRAM-MD5 {b64(b'secret')}")[-1][:3] == "235"
    other = Receiver()
    assert other.talk("EHLO c", "AUTH CRAM-MD5 =")[-1][:3] == "535"


@pytest.mark.parametrize("line", ["*", "???", "a", "YWJj\u00e4"])
def test_auth_given_up(line: str) -> None:
    """A star or something that is no base64 ends the exchange with 501."""
    receiver = Receiver()
    receiver.talk("EHLO c", "AUTH CRAM-MD5")
    assert receiver.talk(line)[0][:3] == "501"
    assert ev.AuthCancelled() in receiver.seen
    assert receiver.talk("NOOP")[0][:3] == "250"


def test_auth_refusals() -> None:
    """Each reason to refuse AUTH has its code."""
    receiver = Receiver()
    assert receiver.talk("HELO c", "AUTH CRAM-MD5")[-1][:3] == "502"
    assert receiver.talk("EHLO c", "AUTH PLAIN")[-1] == str(replies.ENCRYPTION_WANTED)
    assert receiver.talk("AUTH NTLM")[-1][:3] == "504"
    assert receiver.talk("AUTH")[-1][:3] == "504"
    assert receiver.talk("AUTH CRAM-MD5 ???")[-1][:3] == "501"
    none = Receiver(replace(SETTINGS, mechanisms=(), mechanisms_in_tls=()))
    assert none.talk("EHLO c", "AUTH CRAM-MD5")[-1][:3] == "502"


def test_auth_failure_limit() -> None:
    """Three wrong passwords end the session."""
    receiver = Receiver()
    got = receiver.talk("EHLO c", *["AUTH CRAM-MD5 eA=="] * 3)
    assert [line[:3] for line in got[-4:]] == ["535", "535", "535", "421"]


def test_long_auth_lines() -> None:
    """RFC 4954: AUTH lines may be far longer than other commands."""
    receiver = Receiver()
    receiver.talk("EHLO c")
    assert codes(receiver.feed(b"AUTH CRAM-MD5 " + b64(b"x" * 6000).encode() + b"\r\n")) == [535]
    receiver.talk("AUTH CRAM-MD5")
    assert codes(receiver.feed(b64(b"x" * 6000).encode() + b"\r\n")) == [535]
    receiver = Receiver()
    receiver.talk("EHLO c", "AUTH CRAM-MD5")
    assert codes(receiver.feed(b"x" * 20000 + b"\r\n")) == [500]

"""Replies as values and as bytes, and replies of others as they come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meta1.smtp import reply as replies
from meta1.smtp.received import Trace, received_line
from meta1.smtp.reply import Reply, reply
from meta1.smtp.reply_reader import MAX_LINE, ReplyReader, ReplyUnreadable, read_capabilities


def fixed() -> list[Reply]:
    """List every fixed reply."""
    return [value for value in vars(replies).values() if isinstance(value, Reply)]


def test_fixed_replies_agree_with_themselves() -> None:
    """The class of an enhanced code is that of the code (RFC 2034 section 4)."""
    assert len(fixed()) > 40
    for one in fixed():
        assert not one.enhanced or one.enhanced[0] == str(one.code)[0]
        assert one.encode().endswith(b"\r\n")


def test_encoding() -> None:
    """Each line carries the code and the enhanced code."""
    assert reply(250, "2.0.0", "a", "b").encode() == b"250-2.0.0 a\r\n250 2.0.0 b\r\n"
    assert reply(354, "", "go").encode() == b"354 go\r\n"
    assert str(reply(250, "2.0.0", "a", "b")) == "250 2.0.0 a b"
    assert replies.OK.is_success and not replies.START_CONTENT.is_success
    assert replies.TRY_LATER.is_transient and not replies.TRY_LATER.is_positive


@given(st.text(), st.text())
def test_no_text_breaks_the_line(one: str, two: str) -> None:
    """Whatever a text holds, the reply stays its number of lines, ASCII and short."""
    data = reply(550, "5.0.0", one, two).encode()
    assert data.count(b"\r\n") == data.count(b"\n") == data.count(b"\r") == 2
    assert all(len(line) <= 510 for line in data.split(b"\r\n"))


def read(data: bytes) -> list[Reply]:
    """Read all replies in some bytes."""
    reader, found = ReplyReader(), []
    reader.feed(data)
    while (one := reader.take()) is not None:
        found.append(one)
    return found


def test_reading() -> None:
    """Multi-line replies, missing text, bare LF and UTF-8 are taken as they come."""
    assert read(b"250-2.0.0 a\r\n250 2.0.0 b\r\n") == [reply(250, "2.0.0", "a", "b")]
    assert read(b"250\r\n220 x\n") == [reply(250, "", ""), reply(220, "", "x")]
    assert read("550 5.1.1 n\u00f6\r\n".encode()) == [reply(550, "5.1.1", "n?")]
    assert read(b"550 2.1.1 liar\r\n") == [reply(550, "", "2.1.1 liar")]
    assert read(b"550-Mailbox unknown\r\n550 5.1.1 gone\r\n") == [
        reply(550, "5.1.1", "Mailbox unknown", "gone")
    ]
    assert read(b"250 partial") == []


@pytest.mark.parametrize(
    "data",
    [b"hello\r\n", b"199 x\r\n", b"250x\r\n", b"2" * (MAX_LINE + 1), b"250-a\r\n" * 200,
     b"250 " + b"a" * MAX_LINE + b"\r\n"],
)  # fmt: skip
def test_unreadable(data: bytes) -> None:
    """What is no reply, or an endless one, ends the session."""
    with pytest.raises(ReplyUnreadable):
        read(data)


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    """No bytes crash the reader or get a control character through."""
    try:
        for one in read(data):
            assert one.text.isascii() and (one.text.isprintable())
    except ReplyUnreadable:
        pass


def test_capabilities() -> None:
    """Keywords are upper-cased, parameters kept."""
    got = read_capabilities(reply(250, "", "mx.example hi", "SIZE 1000", "pipelining"))
    assert got.name == "mx.example"
    assert got.keywords == {"SIZE": "1000", "PIPELINING": ""}
    assert "SIZE" in got and "DSN" not in got


TRACE = Trace("c.example", "client.example", "192.0.2.7", "mail.lab.example", "MeTA1.1", True, "S1")


def test_received_line() -> None:
    """The line names who, how, by whom, under which id and when."""
    line = received_line(TRACE, 0.0).decode()
    assert line.startswith("Received: from c.example (client.example [192.0.2.7])\r\n\t")
    assert "by mail.lab.example (MeTA1.1) with ESMTP\r\n\tid S1;\r\n\t" in line
    assert "1970" in line and line.endswith("\r\n") and line.count("\r\n") == 4


@pytest.mark.parametrize(
    ("extended", "tls", "auth", "word"),
    [(False, "", False, "SMTP"), (True, "TLSv1.3", False, "ESMTPS"), (True, "", True, "ESMTPA"),
     (True, "TLSv1.3", True, "ESMTPSA")],
)  # fmt: skip
def test_protocol_words(extended: bool, tls: str, auth: bool, word: str) -> None:
    """The protocol word is that of RFC 3848, and TLS facts stand in a comment."""
    trace = Trace(
        "c", "", "2001:db8::1", "m", "p", extended, "S1", tls, "X", 256, "NO", auth, "a@b"
    )
    text = received_line(trace, 0.0).decode()
    assert f" with {word}\r\n" in text
    assert "from c ([IPv6:2001:db8::1])" in text
    assert ("(version=TLSv1.3 cipher=X bits=256 verify=NO)" in text) == bool(tls)
    assert "id S1 for <a@b>;" in text


@given(st.text(), st.text(), st.text())
def test_nothing_breaks_out_of_the_received_line(hello: str, name: str, cipher: str) -> None:
    """No peer can end the line, add a field or close the comment."""
    trace = Trace(hello, name, "192.0.2.7", "m", "p", True, "S1", "TLSv1.3", cipher, 1, "OK")
    data = received_line(trace, 0.0)
    assert data.count(b"\n") == data.count(b"\r\n\t") + 1
    assert data.isascii() and data.count(b"(") == data.count(b")") == 3

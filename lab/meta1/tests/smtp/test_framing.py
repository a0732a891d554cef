"""Lines, content and dot-stuffing: the same result however the bytes are cut."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meta1.smtp import reply as replies
from meta1.smtp.framing import ContentReader, DotStuffer, Fault, HopCounter, LineBuffer

NASTY = st.lists(
    st.sampled_from([b"\r", b"\n", b"\r\n", b".", b"..", b"a", b"bc", b"\0", b"Received: x\r\n"]),
    max_size=40,
).map(b"".join)
CLEAN = st.lists(st.sampled_from([b"\r\n", b".", b"..", b"a", b"bcd"]), max_size=40).map(b"".join)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """Cut bytes at the given places."""
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[a:b] for a, b in pairwise(edges)]


def read(pieces: list[bytes], **limits: int) -> tuple[bytes, bytes | None, ContentReader]:
    """Feed a reader; give the content and what came behind the end."""
    reader = ContentReader(limits.get("size", 0), limits.get("line", 1000), limits.get("hops", 50))
    content, behind = b"", None
    for piece in pieces:
        if behind is not None:
            behind += piece
            continue
        chunk, behind = reader.feed(piece)
        content += chunk
    return content, behind, reader


@given(NASTY, st.lists(st.integers(0, 1000), max_size=8))
def test_content_does_not_depend_on_cuts(data: bytes, places: list[int]) -> None:
    """Content, rest, size, hops and fault are the same for every cutting."""
    data += b"\r\n.\r\nQUIT\r\n"
    whole = read([data])
    for pieces in (cut(data, places), [data[i : i + 1] for i in range(len(data))]):
        content, behind, reader = read(pieces)
        assert (content, behind) == whole[:2]
        assert (reader.size, reader.hops) == (whole[2].size, whole[2].hops)
        assert (reader.fault is None) == (whole[2].fault is None)


@given(CLEAN, st.lists(st.integers(0, 1000), max_size=8))
def test_stuffing_round_trip(content: bytes, places: list[int]) -> None:
    """What the stuffer sends, the reader gets back; only a missing last CRLF is added."""
    stuffer = DotStuffer()
    sent = b"".join(stuffer.feed(piece) for piece in cut(content, places)) + stuffer.finish()
    got, behind, reader = read([sent])
    assert got == (content if content.endswith(b"\r\n") or not content else content + b"\r\n")
    assert (behind, reader.fault) == (b"", None)


@given(NASTY, st.lists(st.integers(0, 1000), max_size=8))
def test_stuffer_never_sends_bare_line_ends(content: bytes, places: list[int]) -> None:
    """Nothing but CRLF leaves, and the only lone dot is the last line."""
    stuffer = DotStuffer()
    sent = b"".join(stuffer.feed(piece) for piece in cut(content, places)) + stuffer.finish()
    assert sent.count(b"\r") == sent.count(b"\n") == sent.count(b"\r\n")
    assert sent.split(b"\r\n").index(b".") == sent.count(b"\r\n") - 1


@pytest.mark.parametrize(
    "end", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r\r\n.\r\r\n"]
)
def test_only_crlf_dot_crlf_ends_content(end: bytes) -> None:
    """Each other spelling of the end is content, and faulty content."""
    content, behind, reader = read([b"a" + end + b"b\r\n.\r\n"])
    assert behind == b""
    assert b"b" in content
    assert reader.fault is replies.BARE_LINE_END_IN_CONTENT


def test_content_limits() -> None:
    """Size, line length, NUL and hops are each refused with their own reply."""
    assert read([b"x" * 9 + b"\r\n.\r\n"], size=10)[2].fault is replies.MESSAGE_TOO_LARGE
    assert read([b"x" * 8 + b"\r\n.\r\n"], size=10)[2].fault is None
    assert read([b"x\0\r\n.\r\n"])[2].fault is replies.NUL_IN_CONTENT
    assert read([b"x" * 1001 + b"\r\n.\r\n"])[2].fault is replies.CONTENT_LINE_TOO_LONG
    assert read([b"Received: a\r\n" * 51 + b"\r\n.\r\n"])[2].fault is replies.TOO_MANY_HOPS
    assert read([b"Received: a\r\n" * 50 + b"\r\n.\r\n"])[2].hops == 50


@pytest.mark.parametrize("size", [1, 3, 7, 64, 5000])
@pytest.mark.parametrize("length", [98, 99, 100, 101, 102, 103])
def test_line_limit_does_not_depend_on_cuts(length: int, size: int) -> None:
    """A line passes up to its limit wherever the pieces end."""
    data = b"ab\r\n" * 30 + b"x" * length + b"\r\n" + b"c\r\n" * 20 + b"\r\n.\r\n"
    pieces = [data[i : i + size] for i in range(0, len(data), size)]
    fault = read(pieces, line=100)[2].fault
    assert (fault is None) == (read([data], line=100)[2].fault is None)
    if length <= 98:
        assert fault is None
    if length > 100:
        assert fault is replies.CONTENT_LINE_TOO_LONG


def test_hops_are_counted_in_the_header_only() -> None:
    """Received lines in the body, or in continuation lines, do not count."""
    counter = HopCounter()
    counter.feed(b"RECEIVED: a\r\n received: b\r\nreceived: c\r\n\r\nReceived: d\r\n")
    counter.feed(b"Received: e\r\n")
    assert counter.count == 2


def test_empty_header() -> None:
    """A mail that starts with the empty line has no hops."""
    counter = HopCounter()
    counter.feed(b"\r\nReceived: d\r\n")
    assert counter.count == 0


@given(NASTY, st.lists(st.integers(0, 1000), max_size=8))
def test_lines_do_not_depend_on_cuts(data: bytes, places: list[int]) -> None:
    """The line buffer gives the same lines and faults for every cutting."""
    data += b"\r\n"

    def lines(pieces: list[bytes]) -> list[bytes | Fault]:
        buffer, found = LineBuffer(), []
        for piece in pieces:
            buffer.feed(piece)
            while (line := buffer.look(30)) is not None:
                found.append(line)
                buffer.take()
        return found

    assert lines(cut(data, places)) == lines([data]) == lines([bytes([one]) for one in data])


def test_line_faults() -> None:
    """CRLF alone ends a line; an overlong line is skipped to its end without being kept."""
    buffer = LineBuffer()
    buffer.feed(b"NOOP\nNO\rOP\r\n" + b"x" * 100)
    assert buffer.look(40) is Fault.BARE_LINE_END
    buffer.take()
    assert buffer.look(40) is Fault.BARE_LINE_END
    buffer.take()
    assert buffer.look(40) is None
    assert len(buffer) == 0
    buffer.feed(b"y\r\n" + b"z" * 39 + b"\r\nQUIT\r\n")
    assert buffer.look(40) is Fault.TOO_LONG
    buffer.take()
    assert buffer.look(40) is Fault.TOO_LONG
    buffer.take()
    assert buffer.starts_with(b"QUIT")
    assert buffer.look(40) == b"QUIT"
    assert buffer.take_all() == b"QUIT\r\n"


def test_an_empty_line() -> None:
    """CRLF alone is an empty line, LF alone a fault."""
    buffer = LineBuffer()
    buffer.feed(b"\r\n\n")
    assert buffer.look(40) == b""
    buffer.take()
    assert buffer.look(40) is Fault.BARE_LINE_END


def test_take_all_behind_a_line() -> None:
    """What is behind the taken line comes whole."""
    buffer = LineBuffer()
    buffer.feed(b"DATA\r\nbody")
    buffer.look(40)
    buffer.take()
    assert buffer.take_all() == b"body"

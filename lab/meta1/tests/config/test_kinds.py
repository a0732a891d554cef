"""Values: how they are read, refused and shown again."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meta1.config.compound import Flags, ListOf, Words
from meta1.config.errors import Place
from meta1.config.kinds import (
    DOMAIN,
    BadValue,
    Bytes,
    Choice,
    Integer,
    IpAddress,
    Seconds,
    Text,
    show_size,
    show_time,
)
from meta1.config.lexer import lex
from meta1.config.parse import Value


def values(*texts: str) -> Sequence[Value]:
    return [Value(text, Place("f", 1, 1)) for text in texts]


FLAGS = Flags({"request_cert": "x", "noplaintext": "y"}, frozenset({"request_cert"}))


@pytest.mark.parametrize(
    ("kind", "texts", "expected"),
    [
        (Integer(), ["25"], 25),
        (Seconds(), ["4"], 4.0),
        (Seconds(), ["5m3s"], 303.0),
        (Seconds(), ["1W2d3h4M5S"], 604800 + 2 * 86400 + 3 * 3600 + 245.0),
        (Bytes(), ["67108864"], 67108864),
        (Bytes(), ["64M"], 67108864),
        (Bytes(), ["10kb"], 10240),
        (Choice(("inet", "inet6")), ["INET"], "inet"),
        (ListOf(Integer()), ["1", "2"], (1, 2)),
        (ListOf(Integer()), [], ()),
        (Words(upper=True), ["cram-md5 plain"], ("CRAM-MD5", "PLAIN")),
        (Words(), ["a b", "c"], ("a", "b", "c")),
        (FLAGS, [], {"request_cert"}),
        (FLAGS, ["dont_request_cert"], set()),
        (FLAGS, ["no_request_cert", "NoPlainText"], {"noplaintext"}),
        (DOMAIN, ["mail.lab.example"], "mail.lab.example"),
    ],
)  # fmt: skip
def test_read(kind: object, texts: list[str], expected: object) -> None:
    """Each of these is right and means this."""
    assert kind.read(values(*texts), len(texts) != 1) == expected  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("kind", "texts"),
    [
        (Integer(1, 10), ["0"]),
        (Integer(), ["-1"]),
        (Integer(), ["1e3"]),
        (Integer(), ["٣"]),
        (Integer(), ["9" * 100]),
        (Integer(), []),
        (Integer(), ["1", "2"]),
        (Seconds(), ["5x"]),
        (Seconds(), ["m"]),
        (Seconds(), ["5m3"]),
        (Seconds(), ["5m5m"]),
        (Seconds(1), ["0"]),
        (Bytes(), ["64X"]),
        (Bytes(), ["M"]),
        (Bytes(), ["99999999999T"]),
        (Choice(("wait", "pass")), ["accept"]),
        (IpAddress(), ["1.2.3"]),
        (IpAddress(), ["localhost"]),
        (Text(), [""]),
        (Text(), ["a\nb"]),
        (Text(longest=3), ["abcd"]),
        (Words(), [""]),
        (FLAGS, ["dont_noplaintex"]),
        (DOMAIN, ["a..b"]),
        (DOMAIN, ["-a.b"]),
        (DOMAIN, ["a" * 64]),
    ],
)
def test_refuse(kind: object, texts: list[str]) -> None:
    """Each of these is wrong, and it is said what would be right."""
    with pytest.raises(BadValue) as caught:
        kind.read(values(*texts), False)  # type: ignore[attr-defined]
    assert caught.value.expected


def test_nearest_word() -> None:
    """A word with a slip of the finger is named."""
    with pytest.raises(BadValue) as caught:
        Choice(("wait", "pass")).read(values("pas"), False)
    assert caught.value.near == "pass"


@given(st.integers(0, 10**8))
def test_times_read_back(seconds: int) -> None:
    """What is shown means the same number of seconds."""
    assert Seconds().read(values(show_time(seconds)), False) == seconds


@given(st.integers(0, 2**50))
def test_sizes_read_back(size: int) -> None:
    """What is shown means the same number of bytes."""
    assert Bytes().read(values(show_size(size)), False) == size


@given(st.text(alphabet=st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1, max_size=60))
def test_texts_read_back(text: str) -> None:
    """What is shown of any printable text is one token with the same value."""
    tokens, faults = lex(Text().show(text), "f")
    assert not faults
    assert [each.text for each in tokens] == [text, ""]

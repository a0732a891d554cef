"""Addresses and parameters: what the grammar allows, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meta1.smtp.errors import RemoteProtocolError
from meta1.smtp.parameters import (
    MAIL_PARAMETERS,
    RECIPIENT_PARAMETERS,
    decode_xtext,
    encode_xtext,
    parse_mail_parameters,
    parse_recipient_parameters,
)
from meta1.smtp.syntax import (
    NULL_PATH,
    POSTMASTER,
    Mailbox,
    is_domain,
    is_hello_name,
    parse_mailbox,
    parse_path,
)

MAIL = frozenset(MAIL_PARAMETERS)
RCPT = frozenset(RECIPIENT_PARAMETERS)
GOOD = {
    "<a@b>": Mailbox("a", "b"),
    "<a.b+c=d@example.com>": Mailbox("a.b+c=d", "example.com"),
    "<A@EXAMPLE.com>": Mailbox("A", "EXAMPLE.com"),
    '<"john doe"@example.com>': Mailbox("john doe", "example.com"),
    '<""@example.com>': Mailbox("", "example.com"),
    '<"plain"@example.com>': Mailbox("plain", "example.com"),
    r'<"a\"b\\c"@example.com>': Mailbox('a"b\\c', "example.com"),
    '<"a>b@c"@example.com>': Mailbox("a>b@c", "example.com"),
    "<a@[192.0.2.1]>": Mailbox("a", "[192.0.2.1]"),
    "<a@[IPv6:2001:db8::1]>": Mailbox("a", "[IPv6:2001:db8::1]"),
    "<@x.example,@y.example:a@b.example>": Mailbox("a", "b.example"),
    "<a@1and1.example>": Mailbox("a", "1and1.example"),
    "<>": NULL_PATH,
    "<PostMaster>": POSTMASTER,
}
BAD = [
    "", "a@b", "<a@b", "a@b>", "<a>", "<@b>", "<a@>", "<a@b.>", "<a@.b>", "<a..b@c>", "<.a@b>",
    "<a.@b>", "<a b@c>", "<a@b c>", "<a@b@c>", "<<a@b>>", "<a@-b>", "<a@b->", "<a@b_c>",
    "<a@1.2.3.4>",
    "<a@[1.2.3]>", "<a@[300.1.1.1]>", "<a@[IPv6:xyz]>", "<a@[tag:x]>", '<"a@b>',
    '<a"b"@c>',
    "<@x.example:>", "<@x:@y:a@b>", "<" + "a" * 65 + "@b>", "<a@" + "b" * 64 + ">",
    "<a@" + ".".join(["b" * 60] * 5) + ">", "<a@" + ".".join(["b" * 60] * 4) + ".cccccccccc>",
    "<a\r\n@b>", "<a\0@b>", "<\u00e4@b>", "<a@\u00e4>",
]  # fmt: skip


@pytest.mark.parametrize("text", GOOD, ids=str)
def test_good_paths(text: str) -> None:
    """Each legal path gives its mailbox, and writing it gives a path that reads the same."""
    path = parse_path(text)
    assert path == GOOD[text]
    if isinstance(path, Mailbox) and path.domain:
        assert parse_path(f"<{path}>") == path
        assert parse_mailbox(str(path)) == path


@pytest.mark.parametrize("text", BAD, ids=repr)
def test_bad_paths(text: str) -> None:
    """Nothing outside the grammar is a path."""
    assert parse_path(text) is None


def test_limits_without_brackets() -> None:
    """A bare mailbox is held to the same limits."""
    assert parse_mailbox("a@" + ".".join(["b" * 60] * 5)) is None
    assert parse_mailbox("a b@c") is None
    assert str(NULL_PATH) == ""
    assert str(POSTMASTER) == "postmaster"


@given(st.text(st.characters(max_codepoint=0x2FF), max_size=60))
def test_no_text_breaks_the_parser(text: str) -> None:
    """Whatever comes, the result is a clean mailbox or None."""
    for path in (parse_path(f"<{text}>"), parse_path(text), parse_mailbox(text)):
        if isinstance(path, Mailbox):
            assert str(path).isascii() and str(path).isprintable()


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=64))
def test_every_local_part_can_be_written(local_part: str) -> None:
    """Quoting and reading are inverse for every printable local part."""
    assert parse_mailbox(str(Mailbox(local_part, "example.com"))) == Mailbox(
        local_part, "example.com"
    )


def test_names() -> None:
    """Domains follow the grammar; EHLO takes any single word."""
    assert is_domain("a-b.example")
    assert not is_domain("a..b") and not is_domain("a" * 256)
    assert is_hello_name("[192.0.2.1]") and is_hello_name("under_score")
    assert not is_hello_name("two words") and not is_hello_name("")


def test_mail_parameters() -> None:
    """All parameters of MAIL are read, in any case."""
    got = parse_mail_parameters(
        "size=100 BODY=8bitmime RET=full ENVID=a+2Bb AUTH=e+3Dmc2@example.com", MAIL
    )
    assert (got.size, got.body, got.ret, got.envid) == (100, "8BITMIME", "FULL", "a+b")
    assert got.auth == Mailbox("e=mc2", "example.com")
    assert parse_mail_parameters("AUTH=<>", MAIL).auth is NULL_PATH


def test_recipient_parameters() -> None:
    """NOTIFY is a set of words, ORCPT a type and an address."""
    got = parse_recipient_parameters("NOTIFY=success,Failure ORCPT=rfc822;a+2Bb@c", RCPT)
    assert got.notify == {"SUCCESS", "FAILURE"}
    assert got.orcpt == "rfc822;a+b@c"
    assert parse_recipient_parameters("NOTIFY=NEVER", RCPT).notify == {"NEVER"}


@pytest.mark.parametrize(
    "text",
    ["SIZE=x", "SIZE=", "SIZE", "SIZE=-1", "SIZE=" + "1" * 21, "SIZE=1 SIZE=2", "BODY=BINARYMIME",
     "RET=ALL", "ENVID=+0D+0A", "ENVID=+zz", "ENVID=" + "a" * 101, "AUTH=a", "AUTH=+", "FOO=1", "=",
     "SMTPUTF8", "AUTH=" + "a" * 501],
)  # fmt: skip
def test_bad_mail_parameters(text: str) -> None:
    """Unknown, repeated and malformed parameters are refused with 501 or 555."""
    with pytest.raises(RemoteProtocolError) as caught:
        parse_mail_parameters(text, MAIL)
    assert caught.value.reply.code in (501, 555)
    assert str(caught.value.reply.code) in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["NOTIFY=NEVER,DELAY", "NOTIFY=", "NOTIFY=X", "NOTIFY=DELAY,DELAY", "ORCPT=a", "ORCPT=;a",
     "ORCPT=rfc822;", "ORCPT=rfc822;+0A", "ORCPT=rfc822;" + "a" * 500, "SIZE=1"],
)  # fmt: skip
def test_bad_recipient_parameters(text: str) -> None:
    """The same for RCPT."""
    with pytest.raises(RemoteProtocolError):
        parse_recipient_parameters(text, RCPT)


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1))
def test_xtext_round_trip(text: str) -> None:
    """Encoding and decoding xtext are inverse."""
    assert decode_xtext(encode_xtext(text)) == text

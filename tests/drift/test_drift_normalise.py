"""What a comparison leaves out, and what it must not leave out."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.drift.normalise import clean, mask, normalise, normalise_text, plain_svg
from lab.drift.rules import load

from .books import stream

RULES = load()
ALL_RULES = RULES.rules
SVG = '<svg><metadata><dc:date>{date}</dc:date></metadata><g id="m{a}"/><use href="#m{a}"/></svg>'


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b[32mok\x1b[0m\n", "ok"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b(Bplain\x1b=", "plain"),
        ("\x1b\x1b[0m[0m", "[0m"),
        ("10 %\r50 %\r100 %\n", "100 %"),
        ("a\r\nb\r\n", "a\nb"),
        ("working\r       \rdone", "done"),
        ("abd\x08c\n", "abc"),
        ("trailing   \n\n\n", "trailing"),
        ("\n  first line stays empty", "\n  first line stays empty"),
    ],
)
def test_clean_shows_what_a_terminal_would(raw: str, shown: str) -> None:
    """Colours, overwritten text and blanks at the end are not part of an output."""
    assert clean(raw) == shown


LOOSE = st.text(alphabet="\x1b\x08\r\n [];0mABab19:-<>@=+./\x07", max_size=60)
EXAMPLES = st.sampled_from(
    [
        "2026-11-22T20:01:02.123456+00:00 mail cyrus/imap[812]: x",
        "Nov 22 20:01:02 mail sudo[12345]: pam",
        "Date: Sun, 22 Nov 2026 20:01:02 +0000 (UTC)",
        "notBefore=Nov  2 20:01:02 2026 GMT",
        ":".join(["3A"] * 20),
        "serial=6F1A0C5E7B3D4A2980FF13E2C4D5A6B7C8D9E0F1",
        "SESSIONID=<cyrus-812-1795377662-1-14392>",
        "Message-ID: <20261122200102.000812@mail.lab.example>",
        "S: 334 PDE3OTUzNzc2NjIuNzE3Mjk5NDVAbWFpbC5sYWIuZXhhbXBsZT4=",
        "C: bGFiIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw",
    ]
)


@settings(deadline=None)
@given(st.lists(st.one_of(LOOSE, EXAMPLES, st.sampled_from(["\n", " ", "\r"]))).map("".join))
def test_normalising_twice_changes_nothing_more(text: str) -> None:
    """A normalised text is its own normal form, whatever rules the project has."""
    once = normalise_text(text, ALL_RULES)
    assert normalise_text(once, ALL_RULES) == once


@settings(deadline=None)
@given(LOOSE)
def test_clean_keeps_the_number_of_lines(text: str) -> None:
    """Up to empty ones at the end: a stored line can be found again from its normalised form."""
    assert clean(text + "\nend").count("\n") == text.count("\n") + 1


@pytest.mark.parametrize(
    ("line", "normal"),
    [
        ("2026-11-22T20:01:02.123456+00:00 mail rsyslogd: start", "<time> mail rsyslogd: start"),
        ("2026-11-22 20:01:02,5 INFO", "<time> INFO"),
        ("notAfter=Feb 20 20:01:02 2027 GMT", "notAfter=<date>"),
        ("cyrus/lmtpunix[1234]: Delivered", "cyrus/lmtpunix[<pid>]: Delivered"),
        ("serial=6F1A0C5E7B3D4A2980FF13E2C4D5A6B7C8D9E0F1", "serial=<hex>"),
        ("logged in SESSIONID=<cyrus-1-2-3>", "logged in SESSIONID=<session>"),
        ("lmtp: sessionid=<mail-9-8>, status", "lmtp: sessionid=<session>, status"),
        ("c OK Completed (0.010 sec)", "c OK Completed (<elapsed>)"),
    ],
)
def test_each_rule_masks_what_it_is_for(line: str, normal: str) -> None:
    """Every volatile form of the tutorial that is known so far."""
    assert normalise_text(line, ALL_RULES) == normal


@pytest.mark.parametrize(
    "line",
    [
        "250 2.1.5 <lab@lab.example> recipient ok",
        "[1] 250 done",
        "list[0]: first",
        "inet6 fe80:00:11:22:33:44",
        "334 VXNlcm5hbWU6",
        "C: AGxhYgBzZWNyZXQ=",
        "serial=01",
        "version 2026-11-22",
        "the log of Nov 22 is here",
        "127.0.0.1:143 20:01",
    ],
)
def test_rules_leave_alone_what_is_stable(line: str) -> None:
    """A rule that is too broad hides drift."""
    assert normalise_text(line, ALL_RULES) == line


def test_masked_counts_the_characters_that_were_replaced() -> None:
    """What stands around them in the pattern is not hidden."""
    found = mask("imap[1234]: x\nimap[56]: y", ALL_RULES)
    assert found.masked == len("1234") + len("56")
    assert found.hits == {"log-pid": 2}


def test_streams_are_joined_where_the_first_piece_stood() -> None:
    """How a kernel cuts its output into messages is chance."""
    pieces = [stream("a"), stream("oops\n", "stderr"), stream("b\n")]
    blocks = normalise(pieces, ()).blocks
    assert [(block.kind, block.text) for block in blocks] == [("stdout", "ab"), ("stderr", "oops")]
    assert normalise([pieces[1], stream("ab\n")], ()).blocks == blocks


def test_plain_text_counts_only_where_nothing_richer_is() -> None:
    """A page shows the richer one, and the plain one often holds an address in memory."""
    rich = {"text/plain": "<Figure at 0x7f12>", "text/html": "<b>1</b>"}
    assert normalise([{"output_type": "display_data", "data": rich}], ()).text.endswith("<b>1</b>")
    plain = {"output_type": "execute_result", "data": {"text/plain": "42"}}
    assert normalise([plain], ()).text == "[text/plain]\n42"


def test_images_are_compared_by_their_bytes() -> None:
    """One other byte is another image, and no rule reaches into a digest."""
    one, two = (
        normalise(
            [{"output_type": "display_data", "data": {"image/png": _b64(content)}}], ALL_RULES
        )
        for content in (b"\x89PNG 1", b"\x89PNG 2")
    )
    assert one.blocks != two.blocks
    assert one.total == 0


def test_svg_is_compared_without_date_and_random_ids() -> None:
    """Two runs of matplotlib draw the same picture with other names in it."""
    one = SVG.format(date="2026-11-22", a="0123456789")
    two = SVG.format(date="2027-01-01", a="abcdef0123")
    assert plain_svg(one) == plain_svg(two) == '<svg><g id="id1"/><use href="#id1"/></svg>'
    assert plain_svg(one.replace("<g ", "<path ")) != plain_svg(two)


def test_an_error_is_its_name_and_what_it_says() -> None:
    """A traceback tells of this host's paths and Python."""
    error = {"output_type": "error", "ename": "OSError", "evalue": "gone", "traceback": ["long"]}
    assert normalise([error], ()).text == "[error]\nOSError: gone"


def _b64(content: bytes) -> str:
    return base64.b64encode(content).decode()

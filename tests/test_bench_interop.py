"""What judges `lab bench interop`: a message that is lost, doubled or changed is noticed, and so is an empty claim."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

import lab.bench.interop
from lab.bench.interop.contents import contents
from lab.bench.interop.peers import _filled
from lab.bench.interop.suite import DEVIATIONS, PASSED, Compared
from lab.bench.interop.verdict import Feature, failures, lacks, matrix, no, unchanged, yes

PROGRAMS = Path(lab.bench.interop.__file__).parent / "programs"
SENT = b"From: a\r\nMessage-ID: <x.plain@1f.interop.example>\r\n\r\n.\r\nGr\xc3\xbc\xc3\x9fe\r\n"
BEFORE = b"Return-Path: <a>\r\nReceived: from b\r\n\twith ESMTPS\r\n"


@pytest.fixture(scope="module")
def compare() -> ModuleType:
    """The program that compares on the machine."""
    spec = importlib.util.spec_from_file_location("compare", PROGRAMS / "compare.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_stands_before_is_told_apart(compare: ModuleType) -> None:
    """A message with trace fields before it is the same message, and one without any, too."""
    assert compare.compared(BEFORE + SENT, SENT) == (BEFORE.decode(), "")
    assert compare.compared(SENT, SENT) == ("", "")


@pytest.mark.parametrize(
    "stored",
    [
        SENT[:-2],
        SENT + b"\r\n",
        SENT.replace(b"\r\n.\r\n", b"\r\n..\r\n"),
        SENT.replace(b"\xc3", b"X"),
        SENT.replace(b"From: a\r\n", b"From: a\r\nX-Added: 1\r\n"),
    ],
    ids=["cut", "longer", "dot", "8-bit", "field"],
)
def test_every_change_is_seen(compare: ModuleType, stored: bytes) -> None:
    """An octet more, less or other is named, with its place."""
    assert compare.compared(BEFORE + stored, SENT)[1].startswith("octet ")


def test_lost_and_doubled_messages_are_failures() -> None:
    """A message that is not there, is there twice, or did not come as the program claims, does not hold."""
    good = ("with ESMTPSA", "")
    assert unchanged({"a": [good]}, ["a"], ["ESMTPSA"]).holds
    assert unchanged({}, ["a"]).holds is False
    assert unchanged({"a": [good, good]}, ["a"]).holds is False
    assert unchanged({"a": [("with ESMTP", "")]}, ["a"], ["ESMTPSA"]).holds is False
    assert unchanged({"a": [("", "octet 3")]}, ["a"]).holds is False


def test_a_table_shows_what_does_not_hold() -> None:
    """In words, and in the list of failures; what a program lacks is neither."""
    found = {"swaks": {"DSN": lacks("no option"), "TLS": yes(), "dots": no("one is gone")}}
    table = matrix("caption", [Feature(name, "must") for name in found["swaks"]], found)
    assert [row[2] for row in table.rows] == ["– (no option)", "yes", "NO: one is gone"]
    assert failures(found) == ["swaks, dots: one is gone"]


BARE, GOOD = "T.test_mail_valid_address[0]", "T.test_mail_valid_address[1]"
SUITE = {BARE: "a@b.example", GOOD: "<a@b.example>"}


def suite(*failed: str) -> Compared:
    """Tests of another server of which MeTA1 fails some, and Postfix none."""
    ends = {name: "failed" if name in failed else PASSED for name in (*SUITE, "T.test_noop")}
    return Compared(ends, dict.fromkeys(ends, PASSED), SUITE)


def test_deviations_are_held_in_both_directions() -> None:
    """What fails without a reason is named, and so is a reason that nothing fails by."""
    assert suite(BARE).wrong() == []
    assert suite(BARE).deviations().rows[0][-1] == 1
    assert suite(BARE, GOOD).wrong() == [f"{GOOD} fails with MeTA1 alone"]
    assert suite(BARE, "T.test_noop").wrong() == ["T.test_noop fails with MeTA1 alone"]
    gone = suite().wrong()
    assert len(gone) == 1 + len(DEVIATIONS)
    assert gone[0].startswith(f"{BARE} passes with MeTA1")


def test_a_value_that_is_not_given_is_told() -> None:
    """A configuration file of another server has no name left in it."""
    with pytest.raises(KeyError, match="HOST"):
        _filled("main.cf", TOP="/x")


def test_messages_are_what_they_are_called() -> None:
    """Lines end by CRLF only, none is longer than 998 octets, and the hard ones are hard."""
    made = {each.name: each.template for each in contents(50_000)}
    for name, template in made.items():
        lines = template.split(b"\r\n")
        assert not any(b"\r" in line or b"\n" in line for line in lines), name
        assert max(map(len, lines)) <= 998, name
    assert max(map(len, made["998"].split(b"\r\n"))) == 998
    assert max(map(len, made["header"].split(b"\r\n"))) == 998
    assert set(range(0x80, 0x100)) <= set(made["8bit"])
    assert {b".", b"..", b". "} <= set(made["dots"].split(b"\r\n"))
    assert made["nobody"].endswith(b"\r\n\r\n")
    assert 45_000 < len(made["large"]) < 60_000

"""When two outputs are the same, what an update keeps, and what rules may ask for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab.drift.compare import compare
from lab.drift.page import as_node
from lab.drift.rules import RuleSet, load
from lab.drift.sticky import merged, merged_text
from lab.errors import BadNotebook, LabError, UnknownName

from .books import CLOCK, code, stream


@pytest.fixture
def rules(clock: Path) -> RuleSet:
    """The one rule of these tests."""
    return load(clock)


def test_a_masked_value_is_no_drift(rules: RuleSet) -> None:
    """Only the time differs."""
    verdict = compare([stream("up at 10:00:00\n")], [stream("up at 23:59:59\n")], rules.rules)
    assert verdict.same
    assert not verdict.diff
    assert verdict.hits == {"clock": 1}
    assert (verdict.masked, verdict.total) == (8, len("up at 23:59:59"))


def test_a_changed_line_is_drift_and_the_diff_shows_it(rules: RuleSet) -> None:
    """The diff is of the normalised text: times are no noise in it."""
    old, new = "10:00:00 one\n10:00:01 two\n", "11:00:00 one\n11:00:01 three\n"
    verdict = compare([stream(old)], [stream(new)], rules.rules)
    assert not verdict.same
    assert verdict.diff.splitlines() == [
        "--- on the page",
        "+++ on the machine now",
        "@@ -1,2 +1,2 @@",
        " <time> one",
        "-<time> two",
        "+<time> three",
    ]


def test_text_on_the_other_stream_is_drift() -> None:
    """What was a warning is an answer now."""
    assert not compare([stream("x")], [stream("x", "stderr")], ()).same


def test_missing_output_is_drift() -> None:
    """Nothing on the page, something on the machine, and the other way round."""
    assert not compare([], [stream("x")], ()).same
    assert not compare([stream("x")], [], ()).same
    assert compare([], [], ()).same


@pytest.mark.parametrize(
    ("matcher", "page", "now", "same"),
    [
        ("lines", "b\na\n", "a\nb\n", True),
        ("lines", "a\na\n", "a\nb\n", False),
        ("lines", "a\n", "a\na\n", False),
        ("contains", "one\nthree\n", "one\ntwo\nthree\n", True),
        ("contains", "three\none\n", "one\ntwo\nthree\n", False),
        ("contains", "one\nfour\n", "one\ntwo\nthree\n", False),
        ("elided", "one\n...\nfour\n", "one\ntwo\nthree\nfour\n", True),
        ("elided", "one\n...\nfour\n", "one\nfour\n", True),
        ("elided", "queue ... sent\n", "queue A1B2 sent\n", True),
        ("elided", "queue ... sent\n", "queue A1B2 lost\n", False),
        ("elided", "one\n...\n", "two\none\n", False),
        ("elided", "a.c\n", "abc\n", False),
        ("same", "a\nb\n", "b\na\n", False),
    ],
)
def test_matchers(matcher: str, page: str, now: str, same: bool) -> None:
    """Each matcher lets pass what it is for, and nothing else."""
    assert compare([stream(page)], [stream(now)], (), matcher).same is same


def test_sticky_keeps_the_old_line_where_only_masked_text_changed(rules: RuleSet) -> None:
    """The one line that really changed is new, the times around it are those of the page."""
    old = "10:00:00 start\n10:00:01 two users\n10:00:02 end\n"
    new = "11:00:00 start\n11:00:01 three users\n11:00:02 end\n"
    kept = merged_text(old, new, rules.rules)
    assert kept == "10:00:00 start\n11:00:01 three users\n10:00:02 end\n"


def test_sticky_follows_lines_that_moved_in(rules: RuleSet) -> None:
    """A line more does not make its neighbours new."""
    kept = merged_text("10:00:00 a\n10:00:01 b\n", "11:00:00 a\nnew\n11:00:01 b\n", rules.rules)
    assert kept == "10:00:00 a\nnew\n10:00:01 b\n"


def test_sticky_keeps_colours_and_overwritten_text_of_the_page() -> None:
    """What a terminal does not show is no reason for a new byte."""
    assert (
        merged_text("1 %\r\x1b[1mdone\x1b[0m\nx\n", "done\ny\n", ())
        == "1 %\r\x1b[1mdone\x1b[0m\ny\n"
    )


def test_sticky_takes_the_new_text_where_a_rule_spans_lines(tmp_path: Path) -> None:
    """Then no line stands for itself, and a mix could be neither old nor new."""
    path = tmp_path / "rules.yml"
    span = {"pattern": "'key:\\n\\d+\\n\\d+'", "replace": "<key>", "example": '"key:\\n1\\n2"'}
    body = "".join(f"  {key}: {value}\n" for key, value in span.items())
    path.write_text(f"- name: key\n  why: it is random\n{body}")
    new = "b\nkey:\n33\n44\n"
    assert merged_text("a\nkey:\n11\n22\n", new, load(path).rules) == new


def test_sticky_works_output_by_output(rules: RuleSet) -> None:
    """An image that changed leaves the text beside it as it was."""
    picture: dict[str, Any] = {"output_type": "display_data", "metadata": {}}
    old = [stream("10:00:00\n"), {**picture, "data": {"image/png": "AAAA"}}]
    new = [stream("11:00:00\n"), {**picture, "data": {"image/png": "BBBB"}}]
    assert merged(old, new, rules.rules) == [old[0], new[1]]


def test_sticky_takes_all_of_an_output_that_was_not_there(rules: RuleSet) -> None:
    """Nothing to keep."""
    assert merged([], [stream("11:00:00\n")], rules.rules) == [stream("11:00:00\n")]


def cell(**drift: Any) -> Any:
    """A cell with these wishes."""
    return as_node(code("x", **drift))


def test_a_cell_brings_rules_along(clock: Path) -> None:
    """Named ones that others do not get, and its own."""
    clock.write_text(CLOCK + "  opt_in: true\n")
    rules = load(clock)
    assert rules.for_cell(cell(), "01, cell c1") == ()
    own = {"pattern": r"\d+ messages", "replace": "<count> messages"}
    found = rules.for_cell(cell(rules=["clock", own]), "01, cell c1")
    assert [rule.name for rule in found] == ["clock", "01, cell c1, rule 2"]
    assert compare([stream("3 messages")], [stream("4 messages")], found).same


@pytest.mark.parametrize(
    ("wish", "error", "said"),
    [
        ("clok", UnknownName, "did you mean clock"),
        ({"pattern": "x"}, BadNotebook, "a pattern and its replace"),
        ({"pattern": "(", "replace": "<x>"}, BadNotebook, "unterminated"),
        ({"pattern": "a", "replace": r"\2<x>"}, BadNotebook, "group"),
        ({"pattern": "a", "replace": ""}, BadNotebook, "<placeholder>"),
        ({"pattern": "a*", "replace": "<x>"}, BadNotebook, "nothing"),
        (7, BadNotebook, "the name of a rule"),
    ],
)
def test_a_wish_that_cannot_be_met_is_told(
    rules: RuleSet, wish: Any, error: type[LabError], said: str
) -> None:
    """In one line that says where."""
    with pytest.raises(error, match=said):
        rules.for_cell(cell(rules=[wish]), "01, cell c1")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- name: [", "rules.yml"),
        ("name: x", "a list of rules"),
        ("- just text", "rule 1: name, why"),
        (CLOCK.replace("  why: the time of day\n", ""), "why"),
        (CLOCK + "  colour: red\n", "colour"),
        (CLOCK + CLOCK, "two rules are named 'clock'"),
        (CLOCK.replace("at 10:00:00", "at ten"), "leaves its own example"),
    ],
)
def test_a_bad_rule_is_told_when_it_is_read(clock: Path, text: str, said: str) -> None:
    """Long before a notebook runs."""
    clock.write_text(text)
    with pytest.raises(LabError, match=said):
        load(clock)

"""The shape of the language: settings, sections, lists, and going on after a fault."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meta1.config.parse import MAX_DEPTH, SectionTree, Setting, parse


def shape(tree: SectionTree) -> list[object]:
    """A tree as nested lists, without places."""
    found: list[object] = []
    for each in tree.entries:
        if isinstance(each, Setting):
            found.append((each.name, [value.text for value in each.values]))
        else:
            found.append((each.keyword, each.name, shape(each)))
    return found


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a = b;", [("a", ["b"])]),
        ("a = {b, c};", [("a", ["b", "c"])]),
        ("a = {b, c}", [("a", ["b", "c"])]),
        ("a = {b, c,};", [("a", ["b", "c"])]),
        ("a = {};", [("a", [])]),
        ('a = "x" "y"\n"z";', [("a", ["xyz"])]),
        ("s { a = b; }", [("s", "", [("a", ["b"])])]),
        ("s { a = b; };", [("s", "", [("a", ["b"])])]),
        ("map x { }", [("map", "x", [])]),
        ('map "x" { }', [("map", "x", [])]),
        ("s{t{a=b;}}", [("s", "", [("t", "", [("a", ["b"])])])]),
        ("", []),
    ],
)
def test_shapes(source: str, expected: list[object]) -> None:
    """The grammar of meta1.conf(5), with every semicolon that may be left out."""
    tree, faults = parse(source, "f")
    assert not faults
    assert shape(tree) == expected


@pytest.mark.parametrize(
    ("source", "fault", "rest"),
    [
        ("a = b\nc = d;\ne = f;", "f:2:1: found 'c'; expected ; after the value of 'a'",
         [("e", ["f"])]),
        ("nameserver =;\nb = c;", "f:1:13: found ';'; expected a value", [("b", ["c"])]),
        ("s { port = 25 }\nb = c;", "f:1:15: found '}'; expected ; after the value of 'port'",
         [("s", "", []), ("b", ["c"])]),
        ("}\na = b;", "f:1:1: found '}'; expected an option or a section", [("a", ["b"])]),
        ("s {\na = b;", "f:2:7: found the end of the file; expected } to close the section",
         [("s", "", [("a", ["b"])])]),
        ("a = { b c };\nd = e;", "f:1:9: found 'c'; expected , or } in the list",
         [("a", []), ("d", ["e"])]),
        ("s { a = { b ; c }; d = e; }", "f:1:13: found ';'; expected , or } in the list",
         [("s", "", [("a", []), ("d", ["e"])])]),
        ("a b c;\nd = e;", "f:1:5: found 'c'; expected = or { after 'b'", [("d", ["e"])]),
        ("= 3;\na = b;", "f:1:1: found '='; expected the name of an option or a section",
         [("a", ["b"])]),
    ],
)  # fmt: skip
def test_goes_on_after_a_fault(source: str, fault: str, rest: list[object]) -> None:
    """One fault is noted where it is, and the entries behind it are still read."""
    tree, faults = parse(source, "f")
    assert [str(each) for each in faults] == [fault]
    assert shape(tree) == rest


def test_depth_is_bounded() -> None:
    """Sections inside each other without end are a fault, not a deep recursion."""
    _, faults = parse("s {" * 3000, "f")
    assert f"at most {MAX_DEPTH} sections" in str(faults[0])


_PIECES = st.sampled_from(["smtps", "{", "}", "=", ",", ";", '"x"', "port", "25", "\n", "#", '"'])


@given(st.lists(_PIECES, max_size=60))
def test_any_order_of_pieces_is_read(pieces: list[str]) -> None:
    """Whatever the order, parsing ends, and what has no fault has a tree."""
    parse(" ".join(pieces), "f")

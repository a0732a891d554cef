"""The grammar of meta1.conf: a small table, the railroad picture of it, and whether words belong to it.

The table is ours, written from what meta1.conf(5) of the original says. A test asks table and parser of our MeTA1
about every short file there is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import railroad  # type: ignore[import-untyped]

# No fixed background, and a grey that reads on white and on black; dark text only in light boxes.
STYLE = """\
.meta1-grammar path { stroke: #767676; stroke-width: 2; fill: none; }
.meta1-grammar rect { stroke: #767676; stroke-width: 2; fill: #ffffff; }
.meta1-grammar .non-terminal rect { fill: #e8eef7; }
.meta1-grammar text { font: bold 14px monospace; text-anchor: middle; fill: #1a1a1a; }
.meta1-grammar text[style] { font: bold 14px sans-serif; text-anchor: start; fill: #767676; }
"""


@dataclass(frozen=True, slots=True)
class Mark:
    """One of the marks ``{ } = , ;``, as it stands in the file."""

    text: str


@dataclass(frozen=True, slots=True)
class Kind:
    """Any token of a kind; `shown` is what the picture calls it at this place."""

    token: str
    shown: str


@dataclass(frozen=True, slots=True)
class Rule:
    """What another row of the table says."""

    name: str


@dataclass(frozen=True, slots=True)
class Row:
    """One after the other."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """One of them."""

    ways: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Maybe:
    """It, or nothing."""

    part: Node


@dataclass(frozen=True, slots=True)
class Many:
    """It once or more, with the mark `between` in the gaps if there is one."""

    part: Node
    between: Mark | None = None


Node = Mark | Kind | Rule | Row | Either | Maybe | Many

NAME = Kind("WORD", "name")
WORD = Kind("WORD", "word")
STRING = Kind("STRING", '"string"')

GRAMMAR: Mapping[str, Node] = {
    "entries": Maybe(Many(Either((Rule("option"), Rule("section"))))),
    "section": Row(
        (
            NAME,
            Maybe(Either((NAME, STRING))),
            Mark("{"),
            Rule("entries"),
            Mark("}"),
            Maybe(Mark(";")),
        )
    ),
    "option": Row((NAME, Mark("="), Either((Row((Rule("value"), Mark(";"))), Rule("list"))))),
    "list": Row(
        (
            Mark("{"),
            Maybe(Row((Many(Rule("value"), Mark(",")), Maybe(Mark(","))))),
            Mark("}"),
            Maybe(Mark(";")),
        )
    ),
    "value": Either((WORD, Many(STRING))),
}
START = "entries"
ALPHABET = ("WORD", "STRING", "{", "}", "=", ",", ";")


def accepts(tokens: Sequence[str], grammar: Mapping[str, Node] = GRAMMAR) -> bool:
    """Whether these marks, and WORD and STRING for the rest, are a whole file."""
    return len(tokens) in _ends(Rule(START), tokens, 0, grammar)


def grammar_picture(grammar: Mapping[str, Node] = GRAMMAR) -> str:
    """Draw a railroad for each row of the table, one below the other, as one SVG."""
    diagrams = [_diagram(name, node) for name, node in grammar.items()]
    width = max(float(each.attrs["width"]) for each in diagrams)
    height = 0.0
    parts: list[str] = []
    for each in diagrams:
        each.attrs["y"] = f"{height:g}"
        each.writeSvg(parts.append)
        height += float(each.attrs["height"])
    label = f"Railroad diagrams of {', '.join(grammar)}: the grammar of meta1.conf"
    head = (
        '<svg xmlns="http://www.w3.org/2000/svg" class="meta1-grammar" role="img"'
        f' aria-label="{escape(label)}" width="{width:g}" height="{height:g}"'
        f' viewBox="0 0 {width:g} {height:g}">'
    )
    return "\n".join([head, f"<style>\n{STYLE}</style>", "".join(parts).rstrip(), "</svg>\n"])


# -- does it fit? ----------------------------------------------------------------------------------


def _ends(
    node: Node, tokens: Sequence[str], start: int, grammar: Mapping[str, Node]
) -> frozenset[int]:
    """Every place at which this can end if it begins at `start`; none where it does not fit."""
    match node:
        case Mark(text) | Kind(text, _):
            fits = start < len(tokens) and tokens[start] == text
            return frozenset({start + 1} if fits else ())
        case Rule(name):
            return _ends(grammar[name], tokens, start, grammar)
        case Row(parts):
            ends = frozenset({start})
            for part in parts:
                ends = _all_ends(part, tokens, ends, grammar)
            return ends
        case Either(ways):
            return frozenset[int]().union(*(_ends(way, tokens, start, grammar) for way in ways))
        case Maybe(part):
            return _ends(part, tokens, start, grammar) | {start}
        case Many(part, between):
            again = Row((between, part)) if between else part
            reached = found = _ends(part, tokens, start, grammar)
            while found:
                found = _all_ends(again, tokens, found, grammar) - reached
                reached |= found
            return reached


def _all_ends(
    node: Node, tokens: Sequence[str], starts: Iterable[int], grammar: Mapping[str, Node]
) -> frozenset[int]:
    return frozenset(end for start in starts for end in _ends(node, tokens, start, grammar))


# -- how does it look? -----------------------------------------------------------------------------


def _diagram(name: str, node: Node) -> railroad.Diagram:
    drawn = railroad.Diagram(railroad.Start("simple", label=name), _drawn(node), railroad.End())
    drawn.format(20, 20, 12, 20)
    return drawn


def _drawn(node: Node) -> railroad.DiagramItem:
    match node:
        case Mark(text):
            return railroad.Terminal(text)
        case Kind(_, shown):
            return railroad.Terminal(shown)
        case Rule(name):
            return railroad.NonTerminal(name)
        case Row(parts):
            return railroad.Sequence(*map(_drawn, parts))
        case Either(ways):
            return railroad.Choice(0, *map(_drawn, ways))
        case Maybe(Many(part, None)):
            return railroad.Optional(railroad.OneOrMore(_drawn(part)))
        case Maybe(part):
            return railroad.Optional(_drawn(part))
        case Many(part, between):
            return railroad.OneOrMore(_drawn(part), _drawn(between) if between else None)

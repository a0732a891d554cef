"""Brings a cell's outputs into the form in which two runs of it are equal: pure, text in, text out.

First what a terminal would not show goes (ANSI codes, text overwritten after a carriage return,
blanks at line ends), then named rules put a placeholder in the place of what changes with every
run. The number of lines stays as it was up to the rules, so that `sticky` can go from a normalised
line back to the stored one.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_ANSI = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # colours, cursor movement
    r"|\x1b\][^\x07\x1b\n]*(?:\x07|\x1b\\)"  # window title, hyperlink
    r"|\x1b[ -/]*[0-~]"  # character sets, resets
    r"|\x1b"  # cut short: without it, taking one code away could leave another
)
_BACKSPACE = re.compile(r"[^\n\x08]\x08")
_MATPLOTLIB_ID = re.compile(r'\bid="([A-Za-z]+[0-9a-f]{10})"')
_SVG_NOISE = re.compile(r"<metadata>.*?</metadata>|<!--.*?-->|<dc:date>.*?</dc:date>", re.DOTALL)
_IMAGES = ("image/png", "image/jpeg", "image/gif", "application/pdf")


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that changes with every run, and what stands for it in a comparison."""

    name: str
    why: str
    pattern: re.Pattern[str]
    replace: str
    opt_in: bool = False


@dataclass(frozen=True, slots=True)
class Masked:
    """Text after the rules, how often each one changed it, how many characters they replaced."""

    text: str
    hits: Mapping[str, int]
    masked: int


@dataclass(frozen=True, slots=True)
class Block:
    """One output as it is compared: `kind` is a stream's name, a MIME type, or ``error``."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Normal:
    """All outputs of a cell as they are compared; `total` counts characters before the rules."""

    blocks: tuple[Block, ...]
    hits: Mapping[str, int]
    masked: int
    total: int

    @property
    def text(self) -> str:
        """The cell's output as a diff shows it: every block but plain output under its kind."""
        shown = []
        for block in self.blocks:
            shown += [block.text] if block.kind == "stdout" else [f"[{block.kind}]", block.text]
        return "\n".join(shown)


def clean(text: str) -> str:
    """What a terminal would show in the end, without blanks at line ends or empty last lines."""
    text = _ANSI.sub("", text)
    while (shorter := _BACKSPACE.sub("", text)) != text:
        text = shorter
    lines = [_overwritten(line) for line in text.replace("\x08", "").split("\n")]
    return "\n".join(lines).rstrip("\n")


def _overwritten(line: str) -> str:
    """The last text written from the start of the line; ``\\r\\n`` is only a line end."""
    return line.rstrip("\r").rpartition("\r")[2].rstrip()


def mask(text: str, rules: Iterable[Rule]) -> Masked:
    """Apply the rules in their order."""
    hits: Counter[str] = Counter()
    replaced = 0

    for rule in rules:

        def swap(match: re.Match[str], rule: Rule = rule) -> str:
            nonlocal replaced
            new = match.expand(rule.replace)
            if new != match[0]:
                hits[rule.name] += 1
                replaced += _changed(match[0], new)
            return new

        text = rule.pattern.sub(swap, text)
    return Masked(text, dict(hits), replaced)


def _changed(old: str, new: str) -> int:
    """How many characters of `old` are not in `new`, leaving what both begin and end with."""
    most = min(len(old), len(new))
    head = next((i for i in range(most) if old[i] != new[i]), most)
    rest = most - head
    tail = next((i for i in range(rest) if old[-1 - i] != new[-1 - i]), rest)
    return len(old) - head - tail


def normalise_text(text: str, rules: Sequence[Rule]) -> str:
    """Clean and mask in one go."""
    return mask(clean(text), rules).text


def normalise(outputs: Iterable[Mapping[str, Any]], rules: Sequence[Rule]) -> Normal:
    """Bring the outputs of one cell, as nbformat holds them, into the form that is compared."""
    blocks: list[Block] = []
    hits: Counter[str] = Counter()
    masked = total = 0
    for block in _joined_streams(_blocks(outputs)):
        if block.kind in _IMAGES:
            blocks.append(block)
            continue
        text = clean(block.text)
        result = mask(text, rules)
        blocks.append(Block(block.kind, result.text))
        hits.update(result.hits)
        masked += min(result.masked, len(text))
        total += len(text)
    return Normal(tuple(blocks), dict(hits), masked, total)


def _blocks(outputs: Iterable[Mapping[str, Any]]) -> Iterable[Block]:
    for output in outputs:
        match output["output_type"]:
            case "stream":
                yield Block(output["name"], output["text"])
            case "error":
                yield Block("error", f"{output['ename']}: {output['evalue']}")
            case _:
                yield from _displayed(output["data"])


def _joined_streams(blocks: Iterable[Block]) -> list[Block]:
    """One block a stream, where it first stood; which of two neighbours came first is chance."""
    joined: list[Block] = []
    place: dict[str, int] = {}
    for block in blocks:
        if block.kind in place:
            old = joined[place[block.kind]]
            joined[place[block.kind]] = Block(block.kind, old.text + block.text)
            continue
        if block.kind in ("stdout", "stderr"):
            place[block.kind] = len(joined)
        joined.append(block)
    if place.get("stdout", 0) - place.get("stderr", 0) == 1 and len(place) == 2:
        first = place["stderr"]
        joined[first : first + 2] = [joined[first + 1], joined[first]]
    return joined


def _displayed(data: Mapping[str, Any]) -> Iterable[Block]:
    """What a page shows of a rich output; its plain text only stands in where nothing richer is."""
    for mime in sorted(data.keys() - {"text/plain"} or data):
        yield Block(mime, _as_text(mime, data[mime]))


def _as_text(mime: str, value: Any) -> str:
    if mime in _IMAGES:
        content = base64.b64decode(value)
        return f"{len(content)} bytes, sha256 {hashlib.sha256(content).hexdigest()}"
    if mime == "image/svg+xml":
        return plain_svg(value)
    return value if isinstance(value, str) else json.dumps(value, indent=1, sort_keys=True)


def plain_svg(svg: str) -> str:
    """An SVG without its date and with ids counted, as matplotlib makes new ones at every run."""
    svg = _SVG_NOISE.sub("", svg)
    names = list(dict.fromkeys(_MATPLOTLIB_ID.findall(svg)))
    if not names:
        return svg
    number = {name: f"id{count}" for count, name in enumerate(names, 1)}
    return re.sub(rf"\b(?:{'|'.join(names)})\b", lambda match: number[match[0]], svg)

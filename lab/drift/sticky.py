"""Takes new outputs, but keeps the stored bytes of each line that changed only in what rules mask.

So an update of the pages shows in git what really changed; the dates and numbers around it stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from difflib import SequenceMatcher
from typing import Any

from lab.drift.normalise import Rule, clean, mask, normalise, normalise_text

Output = dict[str, Any]


def merged(
    stored: Sequence[Output], fresh: Sequence[Output], rules: Sequence[Rule]
) -> list[Output]:
    """The fresh outputs of a cell, with whatever is the same when normalised as it was stored."""
    old, new = [deepcopy(list(side)) for side in (stored, fresh)]
    old_kinds, new_kinds = [_kind(output) for output in old], [_kind(output) for output in new]
    matcher = SequenceMatcher(None, old_kinds, new_kinds, autojunk=False)
    for a, b, size in matcher.get_matching_blocks():
        for step in range(size):
            new[b + step] = _merge(old[a + step], new[b + step], rules)
    return new


def _kind(output: Output) -> str:
    """Outputs of one kind may be two versions of one another."""
    match output["output_type"]:
        case "stream":
            return str(output["name"])
        case "error":
            return "error"
        case _:
            return " ".join(sorted(output["data"]))


def _merge(old: Output, new: Output, rules: Sequence[Rule]) -> Output:
    if normalise([old], rules).blocks == normalise([new], rules).blocks:
        return old
    if new["output_type"] == "stream":
        return {**new, "text": merged_text(old["text"], new["text"], rules)}
    if list(new.get("data", {})) == ["text/plain"]:
        text = merged_text(old["data"]["text/plain"], new["data"]["text/plain"], rules)
        return {**new, "data": {"text/plain": text}}
    return new


def merged_text(old: str, new: str, rules: Sequence[Rule]) -> str:
    """The new text, with each line that is the same when normalised as it was in the old one."""
    sides = [_lines(text, rules) for text in (old, new)]
    if any(len(normal) > len(raw) for raw, normal in sides):
        return new
    (old_raw, old_normal), (new_raw, new_normal) = sides
    result = list(new_raw)
    matcher = SequenceMatcher(None, old_normal, new_normal, autojunk=False)
    for a, b, size in matcher.get_matching_blocks():
        result[b : b + size] = old_raw[a : a + size]
    text = "\n".join(result)
    # A rule over several lines may tie a line to its neighbours: then only the new text is right.
    return text if normalise_text(text, rules) == normalise_text(new, rules) else new


def _lines(text: str, rules: Sequence[Rule]) -> tuple[list[str], list[str]]:
    """The lines of a text, and as many normalised ones; if rules changed their number, too many."""
    raw = text.split("\n")
    cleaned = clean(text)
    normal = mask(cleaned, rules).text
    if normal.count("\n") != cleaned.count("\n"):
        return raw, [*raw, ""]
    lines = normal.split("\n")
    return raw, lines + [""] * (len(raw) - len(lines))

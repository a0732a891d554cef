"""What the page says of the broker's table: each place of it as a mark, words, and a look. Nothing here does I/O."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Table = Mapping[str, Any]
"""The broker's answer to `table`: chapters, and trainees with their chapters by number."""

MARKS = {"not begun": "", "working": "…", "passed": "✓"}
UNKNOWN = {
    **{"state": "not begun", "attempts": 0, "hints": 0, "solved": False},
    "exercise": "not begun",
}
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""


@dataclass(frozen=True, slots=True)
class Place:
    """One place on the page. `look` is a class of the style sheet; eyes read `mark` and, where there is room, `more`;
    `words` are read out.
    """

    look: str = ""
    mark: str = ""
    more: str = ""
    words: str = ""


def places(table: Table) -> dict[str, Place]:
    """Everything on the page that changes, by the id of its element."""
    found = {"all": _summary(table)}
    for chapter in table["chapters"]:
        found[f"passed-{chapter['number']}"] = _passed(table, chapter["number"])
    for each in table["trainees"]:
        name = each["name"]
        found[f"server-{name}"] = Place(each["server"], words=each["server"])
        found[f"machine-{name}"] = Place(each["machine"], words=each["machine"])
        found[f"last-{name}"] = Place(mark=each["last"])
        for chapter in table["chapters"]:
            number = chapter["number"]
            found[f"cell-{name}-{number}"] = cell(stand(each, number))
    return found


def changed(old: Mapping[str, Place], new: Mapping[str, Place]) -> dict[str, Place]:
    """The places that are not as they were."""
    return {key: place for key, place in new.items() if old.get(key) != place}


def stand(trainee: Mapping[str, Any], number: int) -> Mapping[str, Any]:
    """How a chapter of a trainee stands; what the broker does not name is not begun."""
    found: Mapping[str, Any] = trainee["chapters"].get(str(number), {})
    return {**UNKNOWN, **found}


def cell(chapter: Mapping[str, Any]) -> Place:
    """A chapter of a trainee: ``✓`` and ``2 ?1`` for passed at the second check, with a hint."""
    state = str(chapter["state"])
    more, words = [], [state]
    for key, sign, what in (("attempts", "", "check"), ("hints", "?", "hint")):
        if count := chapter[key]:
            more.append(f"{sign}{count}")
            words.append(_count(count, what))
    if chapter["solved"]:
        more.append("S")
        words.append("solved by the solution")
    if chapter["exercise"] != "not begun":
        more.append("★" if chapter["exercise"] == "passed" else "☆")
        words.append(f"exercise {chapter['exercise']}")
    return Place(state.replace(" ", "-"), MARKS[state], " ".join(more), ", ".join(words))


def rows(table: Table) -> Iterator[Sequence[object]]:
    """The lines of the CSV file, head first: one for each trainee and chapter.

    `assignment`, `student_id`, `score` and `max_score` are named as nbgrader's own export names them.
    """
    yield (
        *("assignment", "student_id", "score", "max_score", "full_name", "title", "state"),
        *("attempts", "hints", "solved", "exercise", "last_activity"),
    )
    for each in table["trainees"]:
        for chapter in table["chapters"]:
            it = stand(each, chapter["number"])
            passed = int(it["state"] == "passed")
            yield (
                *(chapter["name"], each["name"], passed, 1, _plain(each["full_name"])),
                *(chapter["title"], it["state"], it["attempts"], it["hints"]),
                *(int(it["solved"]), it["exercise"], each["last"]),
            )


def as_csv(table: Table) -> str:
    """The table for a spreadsheet (RFC 4180)."""
    text = io.StringIO()
    csv.writer(text).writerows(rows(table))
    return text.getvalue()


def _plain(text: str) -> str:
    """A name that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(FORMULA) else text


def _passed(table: Table, number: int) -> Place:
    everybody = table["trainees"]
    count = sum(stand(each, number)["state"] == "passed" for each in everybody)
    return Place("", f"{count}" if count else "", "", f"{count} of {len(everybody)} passed")


def _summary(table: Table) -> Place:
    everybody = table["trainees"]
    here = sum(each["server"] == "running" for each in everybody)
    passed = sum(
        stand(each, chapter["number"])["state"] == "passed"
        for each in everybody
        for chapter in table["chapters"]
    )
    whole = len(everybody) * len(table["chapters"])
    words = f"{_count(len(everybody), 'trainee')}, {here} logged in, {passed} of {whole} chapters passed"
    return Place(mark=words)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"

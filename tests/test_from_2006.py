"""The way from the tutorial of 2006 to this book: no sentence without a target, no target that is not there."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

import pytest

from lab.config import ROOT

PAGE = ROOT / "book" / "from-2006.md"
SENTENCES = 112
"""How many sentences of the tutorial tell the reader to do or to expect something; counted by hand, once."""
WORDS = 10
"""No more of the tutorial is quoted at a time."""
ROW = re.compile(r"\| (\d+) \| (.*?) \| (.*?) \|$", re.MULTILINE)
LINK = re.compile(r"\[(.*?)\]\((.*?)\)")
CELL = re.compile(r"\.\./notebooks/(.*)\.ipynb#cell-(.*)$")


@dataclass(frozen=True, slots=True)
class Row:
    """A sentence of the tutorial, and what became of it."""

    number: int
    phrase: str
    target: str

    @property
    def links(self) -> list[tuple[str, str]]:
        """Text and address of each link."""
        return LINK.findall(self.target)

    @property
    def reason(self) -> str:
        """What is left without the names of cells."""
        return re.sub(r"\[\d+, .*?\]\(.*?\)[,.]? ?", "", self.target).strip()


ROWS = [
    Row(int(number), phrase, target) for number, phrase, target in ROW.findall(PAGE.read_text())
]


def cells(notebook: str) -> set[str]:
    """The ids of a notebook's cells."""
    found = json.loads((ROOT / "notebooks" / f"{notebook}.ipynb").read_text())["cells"]
    return {str(cell["id"]) for cell in found}


def test_no_sentence_is_left_out() -> None:
    """They are numbered from one to the last."""
    assert [row.number for row in ROWS] == list(range(1, SENTENCES + 1))


def test_phrases_are_short_and_different() -> None:
    """The page quotes enough to find a sentence, and no more; none stands there twice."""
    phrases = [row.phrase.strip("“”`") for row in ROWS]
    assert [each for each in phrases if not 1 <= len(each.split()) <= WORDS] == []
    assert len(set(phrases)) == len(phrases)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row.number))
def test_row_has_a_target(row: Row) -> None:
    """A cell that exists, or a sentence that says why there is none."""
    targets = [match for _, address in row.links if (match := CELL.search(address))]
    assert targets or len(row.reason.split()) >= 5, row
    for match in targets:
        assert match[2] in cells(match[1]), f"{row.number}: no cell {match[2]} in {match[1]}"
    for text, address in row.links:
        if (match := CELL.search(address)) and re.match(r"\d+, ", text):
            assert text == f"{int(match[1][:2])}, {match[2]}", row


def test_pages_it_points_at_are_there() -> None:
    """Files of other links exist; the site's build looks at their headings."""
    for row in ROWS:
        for _, address in row.links:
            path = address.partition("#")[0]
            assert (PAGE.parent / path).exists(), f"{row.number}: {address}"


def test_every_chapter_with_a_step_of_2006_is_named() -> None:
    """From certificates to authentication each chapter has its part in the table."""
    named = {match[1][:2] for row in ROWS for _, a in row.links if (match := CELL.search(a))}
    assert {f"{number:02}" for number in range(3, 14)} <= named

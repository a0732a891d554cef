"""The picture of the grammar says what the parser of our MeTA1 takes, neither more nor less."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from itertools import product
from xml.etree import ElementTree

import pytest

from lab.config import ROOT
from lab.pictures.grammar import ALPHABET, GRAMMAR, Maybe, Row, accepts, grammar_picture
from lab.show import part_of

SOURCE = ROOT / "lab" / "meta1" / "src"
CONFIGURATION = ROOT / "lab" / "files" / "etc" / "meta1" / "meta1.conf"
WRITTEN = {"WORD": "a", "STRING": '"s"'}
LONGEST = 5
ASK_PARSER = """
import json, sys
from meta1.config.parse import parse
json.dump([not parse(text, "f")[1] for text in json.load(sys.stdin)], sys.stdout)
"""
PRINT_TOKENS = """
import json, sys
from meta1.config.lexer import lex
tokens, faults = lex(sys.stdin.read(), "f")
json.dump([t.text if t.kind.name == "MARK" else t.kind.name for t in tokens], sys.stdout)
"""
Tokens = tuple[str, ...]


def meta1(program: str, given: str) -> object:
    """What a few lines of Python within our MeTA1 print, which the lab itself never imports."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=given,
        env={**os.environ, "PYTHONPATH": str(SOURCE), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return json.loads(done.stdout)


def disagreed(files: list[Tokens]) -> list[str]:
    """Files that one of picture and parser takes, and the other does not."""
    texts = [" ".join(WRITTEN.get(token, token) for token in tokens) for tokens in files]
    taken = meta1(ASK_PARSER, json.dumps(texts))
    assert isinstance(taken, list)
    found = zip(files, texts, taken, strict=True)
    return [text for tokens, text, parsed in found if accepts(tokens) != parsed]


def tokens_of(text: str) -> Tokens:
    """Tokens of a file, as the grammar names them."""
    found = meta1(PRINT_TOKENS, text)
    assert isinstance(found, list)
    return tuple(found[:-1])


def test_every_short_file() -> None:
    """Picture and parser agree about each file of up to five tokens."""
    files = [each for n in range(LONGEST + 1) for each in product(ALPHABET, repeat=n)]
    assert len(files) > 15_000
    assert disagreed(files) == []


def test_the_real_file() -> None:
    """Our meta1.conf is a sentence of the grammar, and of the parser."""
    assert disagreed([tokens_of(CONFIGURATION.read_text())]) == []
    assert accepts(tokens_of(CONFIGURATION.read_text()))


def test_a_real_section_with_one_token_less_or_twice() -> None:
    """They agree about a section of ours, and about each file that one slip makes of it."""
    real = tokens_of(part_of("etc/meta1/meta1.conf", "smar"))
    slips = [real[:n] + real[n + 1 :] for n in range(len(real))]
    slips += [real[:n] + real[n : n + 1] + real[n:] for n in range(len(real))]
    assert accepts(real)
    assert disagreed([real, *slips]) == []


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("", True),
        ("nameserver =;", False),
        ("nameserver = 127.0.0.1;", True),
        ("nameserver = {127.0.0.1, 10.0.0.1}", True),
        ("flags = {};", True),
        ("flags = {access,};", True),
        ("flags = {,};", False),
        ("port = 25", False),
        ('path = "/usr" "/local";', True),
        ("map users { type = hash; };", True),
        ("smar {", False),
        ("smar { ; }", False),
    ],
)
def test_examples(text: str, right: bool) -> None:
    """What a reader may ask the picture about."""
    assert accepts(tokens_of(text)) is right


def test_a_wrong_table_is_found() -> None:
    """The comparison can fail: without the semicolon behind a list, table and parser part."""
    row = GRAMMAR["list"]
    assert isinstance(row, Row)
    assert isinstance(row.parts[-1], Maybe)
    wrong = {**GRAMMAR, "list": Row(row.parts[:-1])}
    tokens = tokens_of("flags = {access};")
    assert accepts(tokens)
    assert not accepts(tokens, wrong)


def test_picture_can_be_read_anywhere() -> None:
    """It is named for those who do not see it, has no background, and is the same each time."""
    svg = grammar_picture()
    root = ElementTree.fromstring(svg)
    assert root.get("role") == "img"
    assert root.get("aria-label")
    assert "background" not in svg
    assert svg == grammar_picture()


def test_picture_shows_every_row() -> None:
    """Each row of the table has its railroad, and each reference in it leads to a row."""
    svg = grammar_picture()
    labels = re.findall(r"<text style=[^>]*>([^<]+)<", svg)
    assert labels == list(GRAMMAR)
    assert set(re.findall(r'class="non-terminal.*?<text[^>]*>([^<]+)<', svg, re.DOTALL)) <= set(
        GRAMMAR
    )

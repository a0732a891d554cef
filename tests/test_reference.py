"""The reference pages against the code of MeTA1: they are fresh, and nothing of the code is missing in them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from labsite import reference, reference_code, reference_manual


@pytest.mark.parametrize("name", reference.PAGES)
def test_page_is_fresh(name: str) -> None:
    """What is in git is what the code gives today; `make fix` writes it anew."""
    assert (reference.FOLDER / name).read_text() == reference.render(name), "run: make fix"


def test_no_page_is_left_behind() -> None:
    """The folder holds nothing that is not made, here or, the states of the queue, by a directive of the site."""
    made = {*reference.PAGES, "queue.md"}
    assert {path.name for path in reference.FOLDER.iterdir()} == made


def test_every_named_reply_is_there() -> None:
    """Each reply of smtp/reply.py stands in the page with its code and its text."""
    page = (reference.FOLDER / "replies.md").read_text()
    tree = ast.parse((reference.PACKAGE / "smtp" / "reply.py").read_text())
    named = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Call)
        and ast.unparse(node.value.func) == "reply"
    ]
    assert len(named) > 50
    for call in named:
        code, status, text = (ast.literal_eval(each) for each in call.args[:3])
        cells = f"| `{f'{code} {status}'.strip()}` | {text}".replace("<", "\\<")
        assert cells in page


def test_no_reply_code_of_the_code_is_missing() -> None:
    """A number that can only be a reply code, wherever it stands beside a status code, was found."""
    found = {(each.code, each.status) for each in reference_code.replies(reference.PACKAGE)}
    source = "\n".join(path.read_text() for path in reference.PACKAGE.rglob("*.py"))
    written = re.findall(r"\b([245]\d\d), \"([245]\.\d+\.\d+)\"", source)
    assert len(written) > 60
    assert {(int(code), status) for code, status in written} - found == set()


def test_every_field_has_its_meaning() -> None:
    """The table of fields names what the log has, and nothing else."""
    facts, sayings = reference_code.facts(reference.PACKAGE)
    used = {name for each in facts for name in each.fields}
    used |= {name for each in sayings for name in each.fields}
    assert used == set(reference.field_meanings())


def test_every_fact_of_maillog_is_there() -> None:
    """Each function of maillog.py that writes a line is a row."""
    source = (reference.PACKAGE / "maillog.py").read_text()
    named = set(re.findall(r"fact\(\s*[\w]+, [\w]+, \"(\w+)\"", source))
    assert len(named) > 20
    assert named == {each.name for each in reference_code.facts(reference.PACKAGE)[0]}


def test_every_program_has_its_part() -> None:
    """Each manual page of a program and each script is in the page of tools, with all its options."""
    page = (reference.FOLDER / "tools.md").read_text()
    for path in (reference.TREE / "man").glob("*.8"):
        source = path.read_text()
        if source.startswith(".so") or path.stem == "meta1":
            continue
        part = page.partition(f"## `{path.stem}")[2].partition("\n## ")[0]
        letters = re.findall(r"^\.(?:B|BI|BR) (\\-\w)", source, re.MULTILINE)
        assert part and letters
        for letter in letters:
            assert f"| `{letter[1:]}" in part, f"{path.name} {letter}"
    assert all(f"## `{script}`" in page for script in reference.SCRIPTS)


def test_manual_pages_lose_no_marks(tmp_path: Path) -> None:
    """Nothing of roff is left in what is made of it."""
    page = (reference.FOLDER / "tools.md").read_text()
    assert re.search(r"\\[-f(]|^\.\w", page, re.MULTILINE) is None
    assert reference_manual.text_of(r'.BR \-h ", " \-\-help') == "-h, --help"
    assert reference_manual.text_of('.BI \\-f " FILE"') == "-f FILE"
    reference.main(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(reference.PAGES)


def test_origin_counts_every_option_once() -> None:
    """The table of names on the page about the original and the page of options agree."""
    options = (reference.FOLDER / "options.md").read_text()
    origin = (reference.FOLDER / "origin.md").read_text().splitlines()[4:]
    documented = sum(line.split("|")[2].count("`") // 2 for line in origin)
    ours = sum(line.split("|")[3].count("`") // 2 for line in origin)
    assert ours == len(re.findall(r"^\| `\w+`<br>\*ours\* \|", options, re.MULTILINE))
    assert documented == len(re.findall(r"^\| `\w+` \|", options, re.MULTILINE))

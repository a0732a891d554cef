"""What a chapter is made of: a change of it runs the chapter again, and as few others as is safe."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from pathlib import Path

import pytest

import lab.session
from lab import inputs
from lab.chapters import Chapter, chapters
from lab.config import ROOT
from lab.errors import LabError
from lab.inputs import used_files
from lab.session import Session
from lab.show import real_files, show

FILES = ("etc/imapd.conf", "etc/meta1/access", "home/lab/ask.py")

Write = Callable[..., Path]


class Container:
    """As much of a lab as a key asks for."""

    def machine(self) -> str:
        return "container"


def written() -> tuple[Chapter, ...]:
    """The chapters as a session sees them."""
    found: tuple[Chapter, ...] = vars(lab.session)["chapters"]()
    return found


def keys() -> dict[int, str]:
    """The key of each chapter's end, by its number."""
    inputs.package_hash.cache_clear()
    at_work = Session(Container(), lambda _: None)  # type: ignore[arg-type]
    return {each.number: at_work.key(each.notebook) for each in written()}


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree with three files and three chapters: one that uses none, one that uses one, one that uses another."""
    for name in FILES:
        path = tmp_path / "lab/files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{name}\n")
    (tmp_path / "lab/chapters").mkdir()
    cells = ("vm = 1", "vm.install('etc/imapd.conf')", "show('home/lab/ask.py', part='x')")
    found = []
    for number, cell in enumerate(cells, 1):
        found.append(Chapter(f"0{number}-a", write(tmp_path, cell, name=f"0{number}-a")))
        (tmp_path / f"lab/chapters/ch0{number}_a.py").write_text("CHECKS = ()\n")
    for module in ("lab.config.ROOT", "lab.inputs.ROOT"):
        monkeypatch.setattr(module, tmp_path)
    monkeypatch.setattr("lab.session.chapters", lambda: tuple(found))
    monkeypatch.setattr(Chapter, "made_of", "")
    return tmp_path


def write(folder: Path, *cells: str, name: str = "01-a") -> Path:
    """Write a notebook of code cells."""
    made = [{"id": "c", "cell_type": "code", "metadata": {}, "source": cell} for cell in cells]
    path = folder / f"{name}.ipynb"
    path.write_text(json.dumps({"cells": made, "metadata": {}, "nbformat": 4}))
    return path


def changed(change: Callable[[], object]) -> list[int]:
    """Numbers of the chapters whose key a change alters."""
    before = keys()
    change()
    return [number for number, key in keys().items() if key != before[number]]


def test_a_file_concerns_its_chapter_and_those_after_it(tree: Path) -> None:
    """A later one starts from the machine that the earlier one left."""
    append = "\nmore\n"
    files = tree / "lab/files"
    assert changed(lambda: (files / FILES[0]).write_text(append)) == [2, 3]
    assert changed(lambda: (files / FILES[2]).write_text(append)) == [3]
    assert changed(lambda: (files / FILES[1]).write_text(append)) == []


def test_a_module_of_checks_concerns_its_chapter_and_those_after_it(tree: Path) -> None:
    """Its exercise is asked in the notebook; what all of them use concerns all."""
    assert changed(lambda: (tree / "lab/chapters/ch03_a.py").write_text("#")) == [3]
    assert changed(lambda: (tree / "lab/chapters/stranger.py").write_text("#")) == [1, 2, 3]
    assert changed(lambda: (tree / "lab/host.py").write_text("#")) == [1, 2, 3]
    assert changed(lambda: (tree / "lab/console.py").write_text("#")) == []


@pytest.mark.parametrize(
    ("cell", "used"),
    [
        ("show('/etc/imapd.conf')", {"etc/imapd.conf"}),
        ('vm.install("home/lab/ask.py", owner="lab")', {"home/lab/ask.py"}),
        ("%%vm\ncat /etc/meta1/access", {"etc/meta1/access"}),
        ("names = ['etc/imapd.conf']\nvm.run('ls')", {"etc/imapd.conf"}),
        ("print(1)", set()),
        ("show('etc/' + 'imapd.conf')", set(FILES)),
        ("show(f'etc/{name}')", set(FILES)),
        ("show(name='etc/imapd.conf')", set(FILES)),
        ("put = vm.install\nput('etc/imapd.conf')", set(FILES)),
        ("for f in names:\n    vm.install(f)", set(FILES)),
        ("list(map(show, names))", set(FILES)),
        ("from lab.show import real_file", set(FILES)),
        ("open('../lab/files/etc/imapd.conf')", set(FILES)),
        ("import lab.config", set(FILES)),
        ("!cat x\nshow(name)", set(FILES)),
    ],
)
def test_what_a_cell_uses(tree: Path, cell: str, used: set[str]) -> None:
    """The files that it names; all of them, if it may use one that it does not name."""
    assert used_files(write(tree, cell)) == used


@pytest.mark.usefixtures("tree")
def test_a_running_notebook_reads_no_file_its_key_leaves_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What escapes the look at its code fails when it runs, and says what to do."""
    page = written()[1].notebook
    at_work = Session(Container(), lambda _: None)  # type: ignore[arg-type]
    for name, value in at_work.environment(page).items():
        monkeypatch.setenv(name, value)
    show("etc/imapd.conf")
    assert capsys.readouterr().out == "etc/imapd.conf\n"
    with pytest.raises(LabError, match="would not be run again when the file changes"):
        show("home/lab/ask.py")


def test_nothing_else_in_the_package_reads_the_files() -> None:
    """Only `show`, and `install` of a host, which a notebook calls by name; `bench` makes no chapter."""
    readers = set()
    for path in (ROOT / "lab").rglob("*.py"):
        if not {"meta1", "bench"} & set(path.relative_to(ROOT / "lab").parts):
            names = {
                getattr(n, "attr", getattr(n, "id", ""))
                for n in ast.walk(ast.parse(path.read_text()))
            }
            if names & {"real_file", "part_of", "real_files"}:
                readers.add(path.name)
    assert readers == {"show.py", "host.py", "inputs.py"}


def test_each_file_of_the_book_is_used_by_a_chapter_that_we_know() -> None:
    """None is used by nobody, and no chapter counts as using all of them."""
    used = {each.number: used_files(each.notebook) for each in chapters()}
    files = set(real_files())
    assert set().union(*used.values()) == files
    assert [number for number, names in used.items() if names == files] == []

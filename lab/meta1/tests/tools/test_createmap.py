"""createmap: text in, a map out that others can read, and out again as text."""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meta1.maps.berkeley import HashFile
from meta1.tools.createmap import BadLine, main, read_text, without_doubles
from meta1.tools.mailq import Table
from meta1.tools.qmgrctl import parser

TEXT = """# access map
to:Lab.Example\trelay
cltaddr:127.0.0.1   error:550 5.7.1 go
    away

postmaster: root, admin
"odd key"  x
"""


def build(path: Path, text: str, monkeypatch: pytest.MonkeyPatch, *options: str) -> int:
    """Run createmap with text on standard input."""
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    return main([*options, "hash", str(path)])


def test_build_query_and_dump(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Keys become lower case, lines go on, a last colon goes; what -d prints can be read."""
    path = tmp_path / "access.db"
    assert build(path, TEXT, monkeypatch) == 0
    assert main(["-q", "TO:lab.example", str(path)]) == 0
    assert main(["-q", "nothing", str(path)]) == 1
    assert capsys.readouterr().out == "relay\n"
    assert main(["-d", str(path)]) == 0
    dump = capsys.readouterr().out
    assert "cltaddr:127.0.0.1\terror:550 5.7.1 go away\n" in dump
    assert "postmaster\troot, admin\n" in dump and '"odd key"\tx\n' in dump
    again = tmp_path / "again.db"
    assert build(again, dump, monkeypatch) == 0
    assert sorted(HashFile(again).items()) == sorted(HashFile(path).items())


def test_fold_and_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """-f keeps upper case, -m sets the mode."""
    path = tmp_path / "a.db"
    assert build(path, "Key value\n", monkeypatch, "-f", "-m", "0640") == 0
    assert list(HashFile(path).items()) == [("Key", "value")]
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    "text", ["key\n", "  value\n", '"key value\n', "a 1\nb 2\na 3\n", "a b\0c\n", ": x\n"]
)
def test_wrong_text_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    """The line is named, the old map stays."""
    path = tmp_path / "a.db"
    build(path, "k old\n", monkeypatch)
    status = build(path, text, monkeypatch)
    if text == ": x\n":
        assert status == 0, "a lone colon is a key like any other"
        return
    assert status == 65 and "line" in capsys.readouterr().err
    assert list(HashFile(path).items()) == [("k", "old")]


def test_missing_maps_and_other_types(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Files that are not there and types we cannot make are said so."""
    assert main(["-d", str(tmp_path / "none.db")]) == 66
    assert main(["btree", str(tmp_path / "x.db")]) == 64
    assert capsys.readouterr().err.count("createmap:") == 2


@pytest.mark.skipif(shutil.which("postmap") is None, reason="postfix is not installed")
def test_postmap_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`postmap -q` finds what createmap wrote."""
    build(tmp_path / "a.db", "key value\n", monkeypatch)
    found = subprocess.run(
        ["postmap", "-q", "key", f"hash:{tmp_path}/a"], capture_output=True, text=True, check=False
    )
    assert found.stdout == "value\n"


@given(st.text(max_size=100))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Whatever stands in the file: items or the number of a bad line."""
    try:
        items = list(without_doubles(read_text(text.split("\n"))))
    except BadLine as error:
        assert "line" in str(error)
        return
    assert all(key and value for key, value in items)


def test_mailq_shows_blocks(capsys: pytest.CaptureFixture[str]) -> None:
    """One block a message, times relative, a line of totals."""
    table = Table(1000.0)
    table.show("S1\tdeferred\t1500\t900\ta@b.example")
    table.show("\tx@far.example\t2\t4700\t451 4.2.0 later")
    shown = capsys.readouterr().out
    assert shown.startswith("S1  deferred") and "(2 attempts, next in 1.0 h)" in shown
    assert "        451 4.2.0 later\n" in shown
    assert table.summary == "1 message, 1500 bytes"
    table.show("S2\tactive\t1\t900\ta@b.example")
    assert table.summary == "2 messages, 1501 bytes"
    assert Table(0).summary == "The queue is empty."


def test_every_command_is_in_the_help() -> None:
    """The help is made from the table of qmgr."""
    text = parser().format_help()
    for name in ("status", "list", "flush", "hold", "release", "delete", "retry"):
        assert f"  {name}" in text

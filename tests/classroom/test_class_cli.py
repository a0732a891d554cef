"""`lab class` where there is no class: what it says, and its exit codes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from lab.classroom import up as making
from lab.cli import main
from lab.errors import LabError


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_HOME", str(tmp_path / "home"))


def test_status_of_no_class_is_three() -> None:
    """As that of a lab that is not up; JSON has the same keys as with one."""
    done = CliRunner().invoke(main, ["class", "status"])
    assert (done.exit_code, done.output.strip()) == (3, "no class is up")
    done = CliRunner().invoke(main, ["class", "status", "--json"])
    assert done.exit_code == 3
    assert json.loads(done.output) == {"up": False, "address": None, "programs": [], "trainees": []}


def test_a_bad_roster_is_named_with_its_line(tmp_path: Path) -> None:
    """Before anything is made."""
    roster = tmp_path / "people.csv"
    roster.write_text("ada,Ada\nAda L,x\n")
    done = CliRunner().invoke(main, ["class", "up", "--roster", str(roster)])
    assert done.exit_code == 2
    assert f"{roster}:2: 'Ada L' is no login" in done.output.replace("\n", "")
    assert not (Path(os.environ["LAB_HOME"]) / "class" / "class.json").exists()


def test_help_teaches() -> None:
    """By examples that one can take as they are."""
    said = CliRunner().invoke(main, ["class", "up", "--help"]).output
    for words in (
        "lab class up --trainees 2",
        "--roster people.csv",
        "ada,Ada Lovelace",
        "--certificate",
    ):
        assert words in said


def test_ports_that_are_taken_are_passed_over() -> None:
    """A class meets nothing that listens on this host, and no two programs get the same port."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = making.free_ports((port, port), "127.0.0.1")
    assert port not in found
    assert len(set(found)) == 2


def test_two_commands_do_not_make_a_class_at_once() -> None:
    """The second says so at once."""
    with making.alone(), pytest.raises(LabError, match="another command"), making.alone():
        pass

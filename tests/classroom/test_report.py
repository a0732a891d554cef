"""What a trainee's commands and notebooks tell the class, and that they tell nobody else."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab.classroom import client
from lab.classroom.client import VARIABLE
from lab.classroom.report import NOTEBOOK, begun, report

Told = list[dict[str, object]]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Told:
    """What a broker was asked, in a class; the journal of the lab is one of the test's own."""
    found: Told = []
    monkeypatch.setenv("LAB_HOME", str(tmp_path))

    def ask(_: object, do: str, seconds: float, wait: float, **arguments: object) -> None:
        found.append({"do": do, **arguments})

    monkeypatch.setattr(client.Broker, "ask", ask)
    monkeypatch.setenv(VARIABLE, "/run/lab/broker.sock")
    return found


def test_an_event_has_its_chapter_and_detail(told: Told) -> None:
    """As the protocol has it."""
    report("check", 3, passed=True, missing=0)
    detail = {"passed": True, "missing": 0}
    assert told == [{"do": "event", "kind": "check", "chapter": 3, "detail": detail}]


@pytest.mark.parametrize(
    ("session", "chapters"),
    [
        ("tutorial/03-certificates.ipynb", [3]),
        ("/home/t01/tutorial/16-security-review.ipynb", [16]),
        ("tutorial/notes.ipynb", []),
        ("tutorial/03-certificates.md", []),
        ("Console 1", []),
    ],
)
def test_a_chapters_notebook_begins_it(
    told: Told, monkeypatch: pytest.MonkeyPatch, session: str, chapters: list[int]
) -> None:
    """No other notebook does, nor a console."""
    monkeypatch.setenv(NOTEBOOK, session)
    begun()
    assert [each["chapter"] for each in told] == chapters


def test_outside_a_class_nothing_is_told(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is anything loaded for it."""
    monkeypatch.delenv(VARIABLE)
    report("check", 3, passed=True)
    assert told == []
    code = "import sys, lab.classroom.report as r; r.report('check', 3); print(*sys.modules)"
    command = [
        sys.executable,
        "-c",
        f"import types, sys; sys.modules['lab'] = types.ModuleType('lab'); "
        f"sys.modules['lab'].__path__ = ['lab']; {code}",
    ]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert "lab.classroom.report" in loaded
    assert {"lab.classroom.client", "lab.classroom.protocol", "socket"} & set(loaded) == set()


def test_a_command_goes_on_without_a_broker(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """At once, and without an error."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "broker.sock"))
    monkeypatch.setenv("LAB_HOME", str(tmp_path))
    began = time.monotonic()
    report("check", 3, passed=True)
    assert time.monotonic() - began < 1

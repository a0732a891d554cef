"""A real class for tests: brought up by `lab class up` in a folder of its own, and taken down."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page

TOP = Path(__file__).resolve().parents[2]
PAGE = "services/class/"
"""The instructor's page."""


@dataclass(frozen=True, slots=True)
class School:
    """A class that is up."""

    address: str
    passwords: Mapping[str, str]

    def log_in(self, page: Page, name: str, to: str = "") -> None:
        """As one does by hand: the login page asks, and one gets where one wanted to."""
        page.goto(f"{self.address}{to}")
        page.get_by_label("Username").fill(name)
        page.get_by_label("Password").fill(self.passwords[name])
        page.get_by_role("button", name="Sign in").click()


@contextmanager
def school(folder: Path, trainees: int) -> Iterator[School]:
    """Bring a class up in that folder; nothing of it is left afterwards."""
    try:
        told = _lab(folder, "class", "up", "--trainees", str(trainees), "--no-prepare")
        found = re.search(r"https://\S+", told)
        assert found, told
        with (folder / "class" / "passwords.csv").open() as file:
            passwords = {row[0]: row[2] for row in csv.reader(file)}
        yield School(found[0], passwords)
    finally:
        _lab(folder, "class", "down")


def _lab(folder: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "lab", *words],
        cwd=TOP,
        env={**os.environ, "LAB_HOME": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout

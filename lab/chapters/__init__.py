"""The tutorial's chapters: a notebook each, what must hold on the machine once it is done, and an exercise.

One source for everybody: a trainee's `lab check`, an instructor's `lab solve`, and CI, which proves that each
chapter's checks fail before it and pass after it, and that an exercise's solution solves it.
"""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

from lab.chapters.exercise import Task, parse_task
from lab.classroom.report import report
from lab.config import ROOT
from lab.drift.notebooks import load, source
from lab.errors import BadNotebook, CheckFailed, CommandFailed, CommandTimeout, UnknownName
from lab.host import Host


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that holds when a chapter is done. `test` raises `CheckFailed` where it does not."""

    what: str
    test: Callable[[Host], object]
    hint: str

    def ask(self, vm: Host) -> CheckFailed | None:
        """What is not so on the machine, or None; prints nothing."""
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                self.test(vm)
        except CheckFailed as failure:
            return failure
        except (CommandFailed, CommandTimeout) as error:
            # The check's own command failed: what it looks at is not there at all.
            return CheckFailed(self.what, "an answer", error.message, self.hint)
        return None


@dataclass(frozen=True, slots=True)
class Exercise:
    """What a trainee does alone at the end of a chapter. The notebook has the words, the chapter's module the test."""

    check: Check
    task: Task


@dataclass(frozen=True, slots=True)
class Chapter:
    """A notebook and its checks. `name` is the notebook's, e.g. ``02-cyrus-imap``."""

    name: str
    notebook: Path

    @property
    def number(self) -> int:
        """Its place in the tutorial."""
        return int(self.name.split("-", 1)[0])

    @property
    def title(self) -> str:
        """The notebook's heading without its number. Raises `BadNotebook`."""
        heading, *_ = source(load(self.notebook)["cells"][0]).splitlines() or [""]
        if not (found := re.fullmatch(r"# \d+\. (.+)", heading)):
            raise BadNotebook(f"{self.notebook.name} does not begin with '# {self.number}. Title'")
        return found[1]

    @property
    def checks(self) -> tuple[Check, ...]:
        """CHECKS of the module ``ch02_cyrus_imap`` beside this file."""
        checks: tuple[Check, ...] = self._module.CHECKS
        return checks

    @property
    def exercise(self) -> Exercise:
        """EXERCISE of that module, with the words of the notebook's cell `exercise`. Raises `BadNotebook`."""
        found: tuple[str, Callable[[Host], object]] | None
        if not (found := getattr(self._module, "EXERCISE", None)):
            raise BadNotebook(
                f"chapter {self.name} has no exercise: no EXERCISE in {self._module.__name__}"
            )
        task = parse_task(self.notebook)
        what, test = found
        return Exercise(Check(what, test, task.hints[0]), task)

    @property
    def made_of(self) -> str:
        """What MADE_OF of that module returns: a hash of what its notebook brings from elsewhere than `lab/`."""
        made_of: Callable[[], str] = getattr(self._module, "MADE_OF", str)
        return made_of()

    @property
    def _module(self) -> ModuleType:
        return import_module(f"lab.chapters.ch{self.name.replace('-', '_')}")


@cache
def chapters() -> tuple[Chapter, ...]:
    """All chapters in their order."""
    return tuple(
        Chapter(path.stem, path) for path in sorted((ROOT / "notebooks").glob("[0-9][0-9]-*.ipynb"))
    )


def chapter(word: str) -> Chapter:
    """The chapter that a user means: its number, its name, or a part of the name. Raises `UnknownName`."""
    if word.isdigit():
        found = [c for c in chapters() if c.number == int(word)]
    else:
        stem = Path(word).stem
        found = [c for c in chapters() if c.name == stem] or [
            c for c in chapters() if stem in c.name
        ]
    if len(found) != 1:
        raise UnknownName("chapter", word, [c.name for c in chapters()])
    return found[0]


def exercise(vm: Host, number: int) -> None:
    """Print whether the exercise of a chapter is done; a notebook's last cell, which fails nobody."""
    check = chapter(str(number)).exercise.check
    missing = check.ask(vm)
    print(f"{'to do ' if missing else 'ok  '} {check.what}")
    if not missing:  # that it is yet to do, everybody who runs all cells would tell
        report("exercise", number, passed=True)

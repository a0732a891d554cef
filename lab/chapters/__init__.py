"""The tutorial's chapters: a notebook each, and what must hold on the machine once it is done.

One source for everybody: a trainee's `lab check`, an instructor's `lab solve`, and CI, which proves that each
chapter's checks fail before it and pass after it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path

from lab.config import ROOT
from lab.errors import UnknownName
from lab.host import Host


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that holds when a chapter is done. `test` raises `CheckFailed` where it does not."""

    what: str
    test: Callable[[Host], object]
    hint: str


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
    def checks(self) -> tuple[Check, ...]:
        """CHECKS of the module ``ch02_cyrus_imap`` beside this file."""
        module = import_module(f"lab.chapters.ch{self.name.replace('-', '_')}")
        checks: tuple[Check, ...] = module.CHECKS
        return checks


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

"""What a target is, and the complaint it makes when what must hold does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from fuzz.source import Source

Run = Callable[[Source], None]
"""Feeds one input; raises whatever goes wrong."""


@runtime_checkable
class Lasting(Protocol):
    """A target that looks back at the end."""

    def finish(self) -> None:
        """Check what only shows when all is over."""

    def figures(self) -> dict[str, int]:
        """What else a report should tell."""


class Finding(AssertionError):
    """Something that must hold does not."""


def must(condition: object, text: str, *facts: object) -> None:
    """Complain unless a condition holds."""
    if not condition:
        raise Finding(" ".join([text, *(repr(fact)[:600] for fact in facts)]))


@dataclass(frozen=True, slots=True)
class Target:
    """One part of MeTA1 that takes input from others."""

    name: str
    feeds: str
    """What it is given, in the words of the book's page."""
    holds: str
    """What must hold, the same way."""
    open: Callable[[Path], AbstractContextManager[Run]]
    """Prepares a target in a directory of its own; gives the function that feeds one input."""
    short: int
    """Inputs of the short form, which every `make check-all` runs."""
    full: int
    """Inputs of the full form."""
    alarm: float = 20.0
    """Seconds after which one input counts as a hang."""
    is_single: bool = False
    """All inputs go through one process: the target is a set of daemons, not a function."""


def pure(run: Run) -> Callable[[Path], AbstractContextManager[Run]]:
    """A target that needs nothing around it."""

    @contextmanager
    def opened(box: Path) -> Iterator[Run]:
        yield run

    return opened

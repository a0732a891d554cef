"""What can be wrong with a configuration file, and where."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A place in a configuration file; lines and columns count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong: where, what was found, and what would have been right."""

    place: Place
    message: str
    expected: str = ""
    nearest: str = ""

    def __str__(self) -> str:
        text = f"{self.place}: {self.message}"
        if self.expected:
            text += f"; expected {self.expected}"
        if self.nearest:
            text += f"; did you mean {self.nearest}?"
        return text


class ConfigError(Exception):
    """The configuration cannot be used; carries every fault found, in file order."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(sorted(faults, key=lambda fault: fault.place))
        super().__init__(self.faults)

    @classmethod
    def of(cls, file: str, message: str) -> ConfigError:
        """A fault of the file as a whole."""
        return cls([Fault(Place(file, 1, 1), message)])

    def __str__(self) -> str:
        return "\n".join(str(fault) for fault in self.faults)


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name most like ``name``, or an empty string when none is like it."""
    spelling = {each.lower(): each for each in known}
    match = difflib.get_close_matches(name.lower()[:80], spelling, n=1, cutoff=0.6)
    return spelling[match[0]] if match else ""

"""What a command on the machine did: its code, what it printed, how long it took."""

from __future__ import annotations

from dataclasses import dataclass

SHOWN_LINES = 12
"""A notebook shows no more of a result; the whole text stays in the value."""


@dataclass(frozen=True, slots=True, repr=False)
class Result:
    """Outcome of one command. `stderr` is empty where both streams were merged into `stdout`."""

    command: str
    code: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def ok(self) -> bool:
        """The command ended with code 0."""
        return self.code == 0

    @property
    def lines(self) -> list[str]:
        """Standard output, a line an item, without line ends."""
        return self.stdout.splitlines()

    def __str__(self) -> str:
        return self.stdout.removesuffix("\n")

    def __repr__(self) -> str:
        """What a notebook shows for a cell that ends in a result: its code only if that is news."""
        said = [*self.stdout.splitlines(), *self.stderr.splitlines()]
        code = [] if self.ok and said else [f"exit {self.code}"]
        return "\n".join(elide(said, SHOWN_LINES - len(code)) + code)


def elide(lines: list[str], most: int) -> list[str]:
    """The lines themselves if they fit, else their beginning and end and how many were left out."""
    if len(lines) <= most:
        return lines
    head = most // 2
    tail = most - head - 1
    return [*lines[:head], f"... {len(lines) - head - tail} more lines", *lines[-tail:]]

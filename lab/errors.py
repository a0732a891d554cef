"""Everything that can go wrong in a lab, each said in one line with the next step to take.

The command line prints ``str(error)`` and ends with `exit_code`; IPython shows
`_render_traceback_`, since twenty frames of our own internals tell a reader nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab.result import Result

LAST_LINES = 6
"""How much of a command's output an error repeats: the reason is nearly always at its end."""
SHORT_LINE = 100


class LabError(Exception):
    """What failed, and what the user can do about it."""

    exit_code = 2

    def __init__(self, message: str, next_step: str = "") -> None:
        super().__init__(message, next_step)
        self.message = message
        self.next_step = next_step

    def __str__(self) -> str:
        return f"{self.message}\n  next: {self.next_step}" if self.next_step else self.message

    def _render_traceback_(self) -> list[str]:
        """What IPython and Jupyter print instead of a traceback."""
        return f"{type(self).__name__}: {self}".splitlines()


class NoLab(LabError):
    """There is no lab of that name."""

    exit_code = 3


class NoProvider(LabError):
    """Nothing on this host can make a lab machine."""

    exit_code = 3


class NotUp(LabError):
    """The lab exists, but its machine does not run."""

    exit_code = 3


class HostKeyMismatch(LabError):
    """The machine that answers is not the one whose key was pinned."""


class ConnectionLost(LabError):
    """The connection to the machine ended; `command` is what was running, if anything was."""

    def __init__(self, message: str, next_step: str = "", command: str = "") -> None:
        super().__init__(message, next_step)
        self.command = command


class CommandFailed(LabError):
    """A command ended with a code that was not wanted; `result` has all it printed.

    `line` is the number of a script's line that failed, 0 if unknown; `shown` says that the user
    has seen the output already.
    """

    def __init__(self, result: Result, line: int = 0, shown: bool = False) -> None:
        script = result.command.splitlines()
        known = len(script) > 1 and 0 < line <= len(script)
        how = f"exit {result.code}" if result.code >= 0 else "ended by a signal"
        where = f"{how} in line {line}" if known else how
        lines = [f"{where}: {shorten(script[line - 1] if known else result.command)}"]
        if not shown:
            lines += last_lines(result.stderr if result.stderr.strip() else result.stdout)
        super().__init__("\n".join(lines))
        self.result = result
        self.line = line


class CommandTimeout(LabError):
    """What was waited for, mostly a command's end, did not come; `output` is what did."""

    def __init__(
        self, command: str, seconds: float, output: str, next_step: str = "", missing: str = "end"
    ) -> None:
        lines = [f"no {missing} within {seconds:g} s: {shorten(command)}", *last_lines(output)]
        super().__init__("\n".join(lines), next_step)
        self.command = command
        self.seconds = seconds
        self.output = output


class CheckFailed(LabError):
    """The machine is not as the book says it is by now."""

    exit_code = 1

    def __init__(self, what: str, expected: str, found: str, hint: str = "") -> None:
        super().__init__(f"{what}\n  expected: {expected}\n  found:    {found}", hint)
        self.what = what
        self.expected = expected
        self.found = found
        self.hint = hint


class BadNotebook(LabError):
    """A notebook that cannot be read, or breaks a rule of this book."""


class UnknownName(LabError):
    """A name that stands for nothing, with the nearest one that does."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.kind = kind
        self.name = name
        self.known = sorted(known)
        super().__init__(f"no {kind} named {name!r}", _nearest(name, self.known))


class ImageBuildFailed(LabError):
    """The machine image could not be made."""


def shorten(command: str) -> str:
    """First line of a command, cut to fit one line of an error."""
    first, *rest = command.strip().splitlines() or [""]
    cut = first[: SHORT_LINE - 4]
    return f"{cut} ..." if rest or cut != first else first


def last_lines(output: str) -> list[str]:
    """End of an output, set in, as an error repeats it."""
    return [f"  | {line}" for line in output.rstrip().splitlines()[-LAST_LINES:]]


def _nearest(name: str, known: list[str]) -> str:
    if near := get_close_matches(name, known, n=3, cutoff=0.5):
        return f"did you mean {' or '.join(near)}?"
    if not known:
        return "there are none yet"
    return f"there are: {', '.join(known[:12])}{', ...' if len(known) > 12 else ''}"

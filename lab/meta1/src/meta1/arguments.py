"""The command line of the modules: ``-f FILE``, ``-V`` up to four times, ``-n NAME`` of smtps."""

from __future__ import annotations

import getopt
from dataclasses import dataclass

from meta1.config import DEFAULT_FILE

MAX_VERBOSITY = 4


class BadArguments(Exception):
    """The command line cannot be understood."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """What the command line says; ``given`` holds its options, in order."""

    file: str = DEFAULT_FILE
    verbosity: int = 0
    section: str = ""
    help: bool = False
    given: tuple[tuple[str, str], ...] = ()

    def has(self, letter: str) -> bool:
        """Whether an option without value was given."""
        return any(each == letter for each, _ in self.given)


def parse_arguments(argv: list[str], more: str = "") -> Arguments:
    """Parse; ``more`` names further letters, as getopt has them. Raises BadArguments."""
    try:
        given, rest = getopt.getopt(argv, "f:Vh" + more, ["help", "version"])
    except getopt.GetoptError as error:
        raise BadArguments(error.msg) from error
    if rest:
        raise BadArguments(f"'{rest[0][:80]}' is one word too many")
    found = dict(given)
    verbosity = sum(letter in ("-V", "--version") for letter, _ in given)
    return Arguments(
        file=found.get("-f", DEFAULT_FILE),
        verbosity=min(verbosity, MAX_VERBOSITY),
        section=found.get("-n", ""),
        help="-h" in found or "--help" in found,
        given=tuple(given),
    )


def usage(name: str) -> str:
    """A few lines that say what the program takes."""
    label = " [-n NAME]" if name == "smtps" else ""
    lines = [
        f"usage: {name} [-f FILE]{label} [-V[V[V[V]]]]",
        f"  -f FILE  configuration file, {DEFAULT_FILE} if not given",
        "  -V       print the version; twice: libraries, too; three times: build data, too;",
        "           four times: check the configuration and show it with all defaults",
    ]
    if label:
        lines.append("  -n NAME  which of several sections smtps this is")
    return "\n".join(lines)

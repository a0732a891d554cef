"""Print the real files that the book installs, so that its text and the machine cannot differ.

A part lies between ``# [name]`` and ``# [/name]``, each on a line of its own; parts may be nested.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from textwrap import dedent

from lab import config
from lab.errors import LabError, UnknownName

ALLOWED = "LAB_FILES"
"""Variable with the names, one a line, of the only files that may be read; any may where it is not set."""

MARKER = re.compile(r"\s*(?:#|//|;|--|%)\s*\[(?P<end>/?)(?P<name>[\w.-]+)\]\s*")


def show(name: str, part: str | None = None) -> None:
    """Print a file of ``lab/files``, or one part of it, as plain text without the markers."""
    print(part_of(name, part), end="")


def part_of(name: str, part: str | None = None) -> str:
    """Text of a file of ``lab/files`` or of one part of it, set out to the left margin."""
    lines = real_file(name).read_text(encoding="utf-8").splitlines()
    if part is not None:
        lines = _between(lines, name, part)
    kept = [line for line in lines if not MARKER.fullmatch(line)]
    return dedent("\n".join(kept)).strip("\n") + "\n"


def real_files() -> dict[str, Path]:
    """Every file of ``lab/files`` by its name, which is its path on the machine less the first slash."""
    top = config.ROOT / "lab" / "files"
    found = (path for path in sorted(top.rglob("*")) if path.is_file())
    # An editor or a test may have had Python compile one of the programs.
    return {str(path.relative_to(top)): path for path in found if path.suffix != ".pyc"}


def real_file(name: str) -> Path:
    """Path of a file in ``lab/files``, named as on the machine.

    Raises `UnknownName`, and `LabError` for a file that the running notebook's key does not cover (`ALLOWED`).
    """
    known, wanted = real_files(), name.removeprefix("/")
    if wanted not in known:
        raise UnknownName("file", wanted, known)
    if ALLOWED in os.environ and wanted not in os.environ[ALLOWED].split("\n"):
        raise LabError(
            f"{wanted}: this notebook would not be run again when the file changes",
            "write the file's name as it is into the cell that reads it",
        )
    return known[wanted]


def _between(lines: list[str], name: str, part: str) -> list[str]:
    marks = [
        (number, found) for number, line in enumerate(lines) if (found := MARKER.fullmatch(line))
    ]
    starts = [number for number, found in marks if found["name"] == part and not found["end"]]
    ends = [number for number, found in marks if found["name"] == part and found["end"]]
    if not starts:
        raise UnknownName(f"part of {name}", part, {found["name"] for _, found in marks})
    if len(starts) > 1 or len(ends) != 1 or ends[0] < starts[0]:
        raise LabError(
            f"{name}: part {part!r} needs one start and one end after it",
            f"mend the lines [{part}] and [/{part}] in lab/files/{name}",
        )
    return lines[starts[0] + 1 : ends[0]]

"""What was done in the chapters on one lab, kept beside it: the hints that were taken, and how far one is.

A JSON object a line, in ``.lab/<name>/journal.jsonl``, which goes with the lab. The lab panel reads it, with or
without a class.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from lab.classroom.progress import Event
from lab.config import lab_name, state_dir

NAME = "journal.jsonl"


def path() -> Path:
    """The journal of the lab that a command means."""
    return state_dir() / lab_name() / NAME


def add(kind: str, chapter: int, detail: Mapping[str, object]) -> None:
    """Keep an event; where there is no lab, or no room, it is not kept."""
    line = {"at": _now(), "kind": kind, "chapter": chapter, "detail": dict(detail)}
    with suppress(OSError):
        # One write to a file that is only appended to: commands may end at the same time.
        file = os.open(path(), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(file, json.dumps(line).encode() + b"\n")
        finally:
            os.close(file)


def events() -> list[Event]:
    """All that was kept, in its order; a line that cannot be read, such as one cut by a full disk, is left out."""
    try:
        lines = path().read_text(errors="replace").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        with suppress(ValueError, TypeError, KeyError):
            it = json.loads(line)
            found.append(
                Event(str(it["at"]), "", str(it["kind"]), int(it["chapter"]), dict(it["detail"]))
            )
    return found


def hints_of(found: Iterable[Event]) -> dict[int, int]:
    """How many hints of each chapter's exercise were taken."""
    taken: dict[int, int] = {}
    for each in found:
        if each.kind == "hint" and each.detail.get("exercise"):
            number = int(str(each.detail.get("number", 1)))
            taken[each.chapter] = max(taken.get(each.chapter, 0), number)
    return taken


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")

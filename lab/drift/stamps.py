"""Remembers which notebooks were the same, at which state of everything: none is proven twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Stamp:
    """A notebook was the same as its page; the figures count on in the accounts of the rules."""

    key: str
    checked: str
    seconds: float
    masked: int
    total: int
    hits: Mapping[str, int]


class Stamps:
    """The stamps in one file, written after each notebook: an interrupted run loses only one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamps = _load(path)

    def find(self, name: str, key: str) -> Stamp | None:
        """The stamp of a notebook, if it was the same at that very key."""
        stamp = self._stamps.get(name)
        return stamp if stamp and stamp.key == key else None

    def put(self, name: str, stamp: Stamp) -> None:
        """Remember that a notebook was the same."""
        self._stamps[name] = stamp
        self._write()

    def drop(self, name: str) -> None:
        """Forget a notebook that is not the same any more."""
        if self._stamps.pop(name, None):
            self._write()

    def _write(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        new = self._path.with_suffix(".new")
        stamps = {name: asdict(stamp) for name, stamp in sorted(self._stamps.items())}
        new.write_text(json.dumps(stamps, indent=1) + "\n")
        new.replace(self._path)


def _load(path: Path) -> dict[str, Stamp]:
    """What the file says; a broken or older one only means that everything runs again."""
    try:
        return {name: Stamp(**stamp) for name, stamp in json.loads(path.read_text()).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def stamp_key(lab_key: str, notebook: Path, rules: Path) -> str:
    """Hash of all that decides a verdict: the state, the page, the rules, this package."""
    parts = [lab_key.encode(), notebook.read_bytes(), rules.read_bytes(), _own_code()]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


@cache
def _own_code() -> bytes:
    return b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))

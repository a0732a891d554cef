"""Make a bundle in a folder, or go on with one: parts that are there and still right are not made again."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from lab.bundle.parts import PARTS, Part
from lab.errors import LabError
from lab.providers.base import Progress

RECORD = "bundle.json"
"""In the bundle: key and size of each part that is whole."""
SUMS = "SHA256SUMS"
"""Written last: a bundle without it is not finished."""
SHIPPED = Path(__file__).parent / "stick"
CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Made:
    """A part in the bundle: its bytes, and whether it was there already."""

    part: Part
    size: int
    kept: bool


def make(
    target: Path,
    progress: Progress,
    without: Collection[str] = (),
    parts: Iterable[Part] = PARTS,
    told: Callable[[Made], None] = lambda _: None,
) -> int:
    """Have all parts but some in `target`, with installer and checksums; the bytes of the whole.

    Raises `LabError` from a part; what was finished before it stays, and the next call goes on from there.
    """
    target.mkdir(parents=True, exist_ok=True)
    (target / SUMS).unlink(missing_ok=True)
    record = _read(target)
    for part in parts:
        if part.name in without:
            shutil.rmtree(target / part.name, ignore_errors=True)
            record.pop(part.name, None)
            continue
        key = part.key()
        kept = record.get(part.name) == [key, _size(target / part.name)]
        if not kept:
            _make(target, part, progress)
            record[part.name] = [key, _size(target / part.name)]
            _write(target, record)
        told(Made(part, _size(target / part.name), kept))
    for each in sorted(SHIPPED.iterdir()):
        shutil.copyfile(each, target / each.name)
    _write(target, record)
    progress("writing checksums")
    _sum(target)
    return _size(target)


def _make(target: Path, part: Part, progress: Progress) -> None:
    new = target / f"{part.name}.part"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    try:
        part.make(new, progress)
    except OSError as error:
        raise LabError(
            f"{part.name}: {error.strerror or error}",
            f"is there room in {target}? then run the same command again",
        ) from error
    shutil.rmtree(target / part.name, ignore_errors=True)
    new.rename(target / part.name)


def _sum(target: Path) -> None:
    """Write the checksum of every file; the file of them appears whole."""
    lines = [
        f"{digest(path)}  {path.relative_to(target)}\n"
        for path in _files(target)
        if path.name != SUMS
    ]
    new = target / f".{SUMS}.new"
    new.write_text("".join(lines))
    new.replace(target / SUMS)
    os.sync()  # a stick is pulled out early


def digest(path: Path) -> str:
    """SHA-256 of a file in hexadecimal."""
    sum_ = hashlib.sha256()
    with path.open("rb") as file:
        while data := file.read(CHUNK):
            sum_.update(data)
    return sum_.hexdigest()


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in _files(folder))


def _read(target: Path) -> dict[str, list[object]]:
    try:
        found = json.loads((target / RECORD).read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(target: Path, record: dict[str, list[object]]) -> None:
    new = target / f"{RECORD}.new"
    new.write_text(json.dumps(record, indent=1) + "\n")
    new.replace(target / RECORD)

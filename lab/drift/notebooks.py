"""Notebooks as their JSON says: finding them by name, which cells run, what metadata asks for.

Metadata of a notebook: `drift.timeout`, seconds a cell may take. Metadata of a cell: `drift.match`,
`drift.rules`, `drift.reason` (why it is tagged ``drift-ignore``), `drift.long` (why its output may
be long). Nothing here needs nbformat, which takes over a second to load.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lab.config import patient
from lab.errors import BadNotebook, UnknownName

DEFAULT_TIMEOUT = 600
IGNORE = "drift-ignore"
SKIP = "skip-execution"
RAISES = "raises-exception"


def pick(notebooks: Sequence[Path], names: Iterable[str]) -> list[Path]:
    """The notebooks meant, each by its name, its path, or its number at the start of the name."""
    wanted = {_one(notebooks, name) for name in names}
    return [path for path in notebooks if path in wanted]


def _one(notebooks: Sequence[Path], name: str) -> Path:
    stem = Path(name).stem
    exact = [path for path in notebooks if path.stem == stem]
    by_number = [path for path in notebooks if path.stem.partition("-")[0] == stem]
    if len(found := exact or by_number) != 1:
        raise UnknownName("notebook", name, [path.stem for path in notebooks])
    return found[0]


def load(path: Path) -> dict[str, Any]:
    """The notebook as it is stored, flaws and all, as long as it is one."""
    try:
        raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadNotebook(f"there is no notebook {path}") from None
    except OSError as error:
        raise BadNotebook(f"{path.name}: {error.strerror}") from error
    except ValueError as error:
        raise BadNotebook(f"{path.name} is no notebook: {error}") from error
    cells = raw.get("cells") if isinstance(raw, dict) else None
    if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
        raise BadNotebook(f"{path.name} is no notebook: it has no cells")
    if raw.get("nbformat") != 4:
        raise BadNotebook(f"{path.name}: notebook format {raw.get('nbformat')}, 4 is wanted")
    return raw


def code_key(path: Path) -> str:
    """Hash of all in a notebook that acts on the machine: its code and tags, not prose or outputs.

    A lab session builds the keys of its saved states on this: new outputs make no state stale.
    """
    cells = [cell for cell in load(path)["cells"] if runs(cell)]
    acts = [[source(cell), sorted(_metadata(cell).get("tags", []))] for cell in cells]
    return hashlib.sha256(json.dumps(acts).encode()).hexdigest()


def runnable(cells: Sequence[Mapping[str, Any]]) -> list[int]:
    """Places of the cells that run, in their order."""
    return [index for index, cell in enumerate(cells) if runs(cell)]


def runs(cell: Mapping[str, Any]) -> bool:
    """The cell has code, and is not tagged to be left out."""
    return cell.get("cell_type") == "code" and bool(source(cell).strip()) and not tagged(cell, SKIP)


def source(cell: Mapping[str, Any]) -> str:
    """A cell's text, be it stored in one piece or as lines."""
    return "".join(cell.get("source", ""))


def tagged(cell: Mapping[str, Any], tag: str) -> bool:
    """The cell has that tag."""
    return tag in _metadata(cell).get("tags", [])


def timeout(notebook: Mapping[str, Any]) -> int:
    """Seconds that a cell of this notebook may take."""
    return int(patient(_metadata(notebook).get("drift", {}).get("timeout", DEFAULT_TIMEOUT)))


def asked(cell: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a cell's metadata asks of the drift check."""
    wishes: Mapping[str, Any] = _metadata(cell).get("drift", {})
    return wishes


def first_line(code: str) -> str:
    """The line that tells a cell from others: the first that is not a ``%%vm`` or the like."""
    lines = [line.strip() for line in code.splitlines() if line.strip()]
    return next((line for line in lines if not line.startswith("%%")), lines[0] if lines else "")


def _metadata(node: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata: Mapping[str, Any] = node.get("metadata", {})
    return metadata

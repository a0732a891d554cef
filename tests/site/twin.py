"""A second build of the same commit that differs in all that must not matter."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import checkout
import served

CIRCUMSTANCES = {
    "TZ": "Pacific/Kiritimati",
    "LC_ALL": "C",
    "LANG": "de_DE.UTF-8",
    "PYTHONHASHSEED": "7",
    "COLUMNS": "200",
    "HOME": "/nonexistent",
}
LATER = "+5071h"
"""How much later the clock of the second build stands."""


def build(root: Path, folder: Path) -> Path:
    """Copy the checkout at `root` and build its book: another place, date, zone, locale, umask, hash seed."""
    tree = copy(root, folder / "a checkout of another name")
    around = ("sh", "-c", 'umask 077; exec faketime -f "$0" "$@"', LATER)
    return served.build(tree, folder / "out", *around, **CIRCUMSTANCES)


def copy(root: Path, tree: Path) -> Path:
    """Copy what git knows of a checkout, as it is now, with its last commit."""
    clone = ["git", "clone", "--quiet", "--no-checkout", "--shared", str(root), str(tree)]
    subprocess.run(clone, check=True)
    for source in checkout.files(root):
        target = tree / source.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
        os.utime(target, (1, 1))
    return tree


def differences(one: Path, other: Path) -> list[str]:
    """Names of the files that are not in both folders with the same bytes."""
    return sorted(
        name
        for name in {*_files(one), *_files(other)}
        if not (one / name).is_file()
        or not (other / name).is_file()
        or (one / name).read_bytes() != (other / name).read_bytes()
    )


def _files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}

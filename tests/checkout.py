"""The files of a checkout, as it is now."""

from __future__ import annotations

import subprocess
from pathlib import Path


def files(root: Path, *patterns: str) -> list[Path]:
    """Files that git knows or would take, that still exist."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    return [root / name for name in listed if name and (root / name).is_file()]

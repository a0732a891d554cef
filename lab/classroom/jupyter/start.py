"""First program in a trainee's sandbox: lays out the notebooks that are missing, then becomes JupyterLab.

It runs as the trainee, since it writes into the trainee's home.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from nbformat.sign import NotebookNotary

from lab.config import ROOT
from lab.drift.page import parse

TUTORIAL = "tutorial"
"""Folder of the home with the trainee's own copies."""
LOG = ".lab/server.log"
"""What the server last said, in the home."""


def lay_out(source: Path, target: Path) -> list[str]:
    """Copy the notebooks that are not there, without the outputs; gives their names.

    Each is signed: JupyterLab shows all of a trusted notebook's text, and these are the book's own.
    """
    target.mkdir(exist_ok=True)
    notary = NotebookNotary()  # type: ignore[no-untyped-call]
    new = []
    for path in sorted(source.glob("*.ipynb")):
        if (target / path.name).exists():
            continue
        page = parse(path)
        for cell in page.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        (target / path.name).write_text(json.dumps(page, indent=1, ensure_ascii=False) + "\n")
        notary.sign(page)  # type: ignore[no-untyped-call]
        new.append(path.name)
    notary.store.close()
    return new


def log_here(path: Path) -> None:
    """Put what this and all later programs print into a file of the home, which is bounded as the home is."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    with path.open("wb") as log:
        for descriptor in (1, 2):
            os.dup2(log.fileno(), descriptor)


def main() -> None:
    """Take the arguments of `jupyterhub-singleuser`."""
    lay_out(ROOT / "notebooks", Path.home() / TUTORIAL)
    log_here(Path.home() / LOG)
    os.execv(sys.executable, [sys.executable, "-m", "jupyterhub.singleuser", *sys.argv[1:]])


if __name__ == "__main__":
    main()

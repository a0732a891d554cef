"""Snapshots of a machine made from a public box: through Vagrant, whatever hypervisor it chose."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError


@dataclass(frozen=True, slots=True)
class VagrantSnapshots:
    """The same four things that `Domain` does for our own box; each takes seconds.

    `record` has the names in the order in which they were saved, which not every hypervisor tells.
    """

    run: Callable[[list[str]], list[str]]
    record: Path

    def save(self, name: str) -> None:
        """Take a snapshot, replacing one of that name."""
        self.run(["snapshot", "save", "--force", "lab", name])
        self._write([known for known in self._saved() if known != name] + [name])

    def revert(self, name: str) -> None:
        """Go back to a snapshot, running."""
        self.run(["snapshot", "restore", "--no-provision", "lab", name])

    def names(self) -> list[str]:
        """Names of the snapshots, oldest first; those that Vagrant itself was told to make last."""
        lines = [line.strip() for line in self.run(["snapshot", "list", "lab"])]
        there = [line for line in lines if line and not line.startswith("==>")]
        saved = [name for name in self._saved() if name in there]
        return saved + [name for name in there if name not in saved]

    def forget(self, name: str) -> None:
        """Drop a snapshot, if it is there."""
        with contextlib.suppress(LabError):
            self.run(["snapshot", "delete", "lab", name])
        self._write([known for known in self._saved() if known != name])

    def _saved(self) -> list[str]:
        return self.record.read_text().split() if self.record.exists() else []

    def _write(self, names: list[str]) -> None:
        self.record.write_text("\n".join(names))

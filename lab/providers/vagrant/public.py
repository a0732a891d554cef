"""Snapshots of a machine made from a public box: through Vagrant, whatever hypervisor it chose."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from lab.errors import LabError


@dataclass(frozen=True, slots=True)
class VagrantSnapshots:
    """The same four things that `Domain` does for our own box; each takes seconds."""

    run: Callable[[list[str]], list[str]]

    def save(self, name: str) -> None:
        """Take a snapshot, replacing one of that name."""
        self.run(["snapshot", "save", "--force", "lab", name])

    def revert(self, name: str) -> None:
        """Go back to a snapshot, running."""
        self.run(["snapshot", "restore", "--no-provision", "lab", name])

    def names(self) -> list[str]:
        """Names of the snapshots, in Vagrant's order: oldest first."""
        lines = self.run(["snapshot", "list", "lab"])
        return [line.strip() for line in lines if line.strip() and not line.startswith("==>")]

    def forget(self, name: str) -> None:
        """Drop a snapshot, if it is there."""
        with contextlib.suppress(LabError):
            self.run(["snapshot", "delete", "lab", name])

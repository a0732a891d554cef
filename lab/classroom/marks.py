"""Names of what a class makes on the host: all carry the class's own mark, so two checkouts never meet."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from lab.classroom import place


@dataclass(frozen=True, slots=True)
class Marks:
    """Names that begin with the mark of one class."""

    key: str
    """Six hex digits."""

    @classmethod
    def of(cls, folder: Path | None = None) -> Marks:
        """The marks of the class in that folder; made from its path alone, so `down` needs no record."""
        path = str(folder or place.top())
        return cls(hashlib.sha256(path.encode()).hexdigest()[:6])

    @property
    def group(self) -> str:
        """Control group of the whole class."""
        return f"lab-class-{self.key}"

    @property
    def table(self) -> str:
        """nftables table; its names have no hyphens."""
        return f"lab_class_{self.key}"

    @property
    def links(self) -> str:
        """Begins the names of the host's ends of the links; a whole one has at most 15 letters."""
        return f"lc{self.key}-"

    @property
    def address(self) -> str:
        """Label of the hub's address on loopback."""
        return f"lo:{self.key}"

    @property
    def uid_base(self) -> int:
        """Trainees' uids are counted from here: in the range that systemd's table of uids calls unused."""
        return 1_900_000_000 + int(self.key, 16) % 100_000 * 1000

    def link(self, number: int) -> str:
        """Host's end of a trainee's link."""
        return f"{self.links}{number}"

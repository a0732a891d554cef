"""The lab machine as a virtual machine that Vagrant runs (being written)."""

from __future__ import annotations

import socket
from pathlib import Path

from lab.errors import NoProvider
from lab.providers.base import Endpoint, Finding, Progress, Status


class VagrantProvider:
    """Placeholder until the real one is in place."""

    name = "vagrant"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def up(self, progress: Progress) -> Endpoint:
        raise NoProvider("vagrant is not ready yet")

    def down(self) -> None:
        return

    def status(self) -> Status:
        return Status("absent", self.name)

    def endpoint(self) -> Endpoint:
        raise NoProvider("vagrant is not ready yet")

    def connect(self) -> socket.socket:
        raise NoProvider("vagrant is not ready yet")

    def save(self, name: str) -> None:
        raise NoProvider("vagrant is not ready yet")

    def restore(self, name: str) -> None:
        raise NoProvider("vagrant is not ready yet")

    def names(self) -> list[str]:
        return []

    def forget(self, name: str) -> None:
        return

    @classmethod
    def doctor(cls) -> list[Finding]:
        return [Finding(False, "vagrant", "not ready yet")]

    @classmethod
    def usable(cls) -> bool:
        return False

    @classmethod
    def accelerated(cls) -> bool:
        return False

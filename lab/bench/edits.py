"""Changes of MeTA1 as it is installed on a machine: how a test shows that it would notice."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lab.errors import LabError
from lab.host import Host

INSTALLED = "/usr/local/lib/meta1/meta1"


@dataclass(frozen=True, slots=True)
class Edit:
    """One text of a file for another. `file` is below MeTA1's code, or begins with a slash."""

    file: str
    before: str
    after: str

    @property
    def path(self) -> str:
        """Where the file is on the machine."""
        return self.file if self.file.startswith("/") else f"{INSTALLED}/{self.file}"

    def make(self, vm: Host) -> None:
        """Change the file. Raises `LabError` unless the text stands there just once."""
        text = vm.get(self.path, as_user="root").decode()
        if text.count(self.before) != 1:
            raise LabError(
                f"{self.path} has {self.before!r} {text.count(self.before)} times, not once",
                "the code has changed: mend the edit",
            )
        # Not `Host.put`: owner and mode of the file stay as they are.
        vm.run("cat > %s", self.path, as_user="root", input=text.replace(self.before, self.after))


@dataclass(frozen=True, slots=True)
class Command:
    """A change that is a command of root, such as another mode of a file."""

    command: str

    def make(self, vm: Host) -> None:
        """Run it."""
        vm.run(self.command, as_user="root")


Change = Edit | Command


def make(vm: Host, changes: Iterable[Change]) -> None:
    """Make all the changes, in their order."""
    for each in changes:
        each.make(vm)

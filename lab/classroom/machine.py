"""One trainee's machine as the broker drives it: the container, and the ends of chapters that the class shares.

Everything here waits for podman, so it runs in a thread; calls for one machine come one at a time.
"""

from __future__ import annotations

import contextlib
import time
from socket import socket

from lab.errors import LabError, NotUp, UnknownName
from lab.lab import FRESH
from lab.providers.base import Progress
from lab.providers.container import ContainerProvider, base_image

DEATH_SECONDS = 20.0
"""How long podman may take to notice that a machine's first process has ended."""


def _quiet(_: str) -> None:
    return


class Ends:
    """The checkpoints of the machine on which the class's ends of chapters are made."""

    def __init__(self, model: ContainerProvider) -> None:
        self._model = model
        self.names: tuple[str, ...] = ()

    def refresh(self) -> None:
        """Ask podman which there are."""
        self.names = tuple(self._model.names())

    def image(self, name: str) -> str:
        """What a machine is started from to be at that end."""
        return f"{self._model.states}:{name}"


class Machine:
    """Methods raise `LabError`. `fresh` is no checkpoint here but the image itself, so it takes no room and no time."""

    def __init__(self, provider: ContainerProvider, ends: Ends | None) -> None:
        self._provider = provider
        self._ends = ends
        self._own: list[str] | None = None

    def settle(self) -> None:
        """Let commands end that a broker before this one has begun."""
        self._provider.await_orphans()

    def pid(self) -> int:
        """First process of the running machine; 0 if it does not run."""
        return self._provider.pid()

    def state(self) -> str:
        """``running``, ``stopped`` or ``absent``."""
        return self._provider.status().state

    def connect(self) -> socket:
        """A stream to the machine's sshd; takes no time."""
        return self._provider.connect()

    def up(self, progress: Progress = _quiet) -> None:
        """Make or start it."""
        self._require_disk()
        self._provider.up(progress)

    def login(self) -> dict[str, object]:
        """What one needs to log in, as the answer to `up` has it."""
        end = self._provider.endpoint()
        return {
            "user": end.user,
            "host": end.host,
            "port": end.port,
            "key": end.key_file.read_text(),
            "known_hosts": end.known_hosts.read_text(),
        }

    def down(self) -> None:
        """Drop it with the trainee's checkpoints."""
        self._own = None
        self._provider.down()

    def cut_power(self) -> None:
        """End it at once; its disk stays."""
        self._provider.cut_power()

    def save(self, name: str) -> None:
        """Keep its state. Raises `LabError` where its disk has no room for that."""
        self._own = None
        try:
            self._provider.save(name)
        except NotUp:
            raise
        except LabError as error:
            if "no space left" in error.message:
                raise LabError(
                    "the disk of your machine has no room for another checkpoint",
                    "remove files on the machine, or checkpoints: lab restore lists them",
                ) from error
            raise

    def restore(self, name: str, progress: Progress = _quiet) -> None:
        """Put it back to a checkpoint: the class's, made as the book says, else the trainee's of that name."""
        if self._ends and name in self._ends.names:
            source = self._ends.image(name)
        elif name in self.own():
            source = f"{self._provider.states}:{name}"
        elif name == FRESH:
            source = base_image(progress)
        else:
            raise UnknownName("checkpoint", name, self.names())
        self._require_disk()
        self._provider.start_from(source)

    def forget(self, name: str) -> None:
        """Drop one of the trainee's own checkpoints."""
        self._own = None
        self._provider.forget(name)

    def own(self) -> list[str]:
        """The trainee's checkpoints, oldest first."""
        if self._own is None:
            self._own = self._provider.names()
        return self._own

    def names(self) -> list[str]:
        """All that it can be put back to."""
        shared = self._ends.names if self._ends else ()
        return list(dict.fromkeys([FRESH, *shared, *self.own()]))

    def recover(self, dead: int, checkpoint: str) -> str:
        """Have a machine that ended by itself run again; what to tell the trainee, empty if nothing was to be done.

        `dead` was its first process. Its disk is kept where it is still there; else it goes back to `checkpoint`,
        to the newest checkpoint, or to the beginning.
        """
        deadline = time.monotonic() + DEATH_SECONDS
        while (pid := self.pid()) == dead and pid and time.monotonic() < deadline:
            time.sleep(0.2)
        if pid and pid != dead:
            return ""
        if self.state() != "absent":
            with contextlib.suppress(LabError):
                self.up()
                return "Your machine had stopped. It runs again, with its disk as it was."
        self._own = None
        known = [n for n in dict.fromkeys([checkpoint, *reversed(self.own())]) if n in self.names()]
        for name in known:
            with contextlib.suppress(
                LabError
            ):  # one that cannot be started from: the one before it
                self.restore(name)
                return f"Your machine was lost. A new one runs, from the checkpoint {name!r}."
        self.restore(FRESH)
        return "Your machine was lost. A new one runs; it is at the beginning."

    def _require_disk(self) -> None:
        """Without its own file system it would fill the host's: after a restart of the host, say."""
        if not self._provider.folder.is_mount():
            raise NotUp("the disk of this machine is not mounted", "lab class up")

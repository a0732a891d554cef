"""The lab machine of a trainee in a class: the broker makes it, since a trainee is not root.

All that is here asks the socket that $LAB_BROKER names. The machine itself is a container, as with the provider
`container`. A class gives each trainee one machine.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from socket import socket
from typing import Any

from lab.classroom.client import VARIABLE, Broker
from lab.errors import LabError, NotUp
from lab.providers.base import Endpoint, Finding, Progress, Status

FILES = ("key", "known_hosts", "endpoint.json")
"""Copies of what the broker answered to `up`, in the lab's folder."""


class ClassroomProvider:
    """One trainee's machine, seen from the trainee's side."""

    name = "classroom"
    machine = "container"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def up(self, progress: Progress) -> Endpoint:
        """Have the broker start the machine, and keep what one needs to log in."""
        found = self._ask("up", progress)
        names = {name: found[name] for name in ("host", "port", "user")}
        for name, text in zip(
            FILES, (found["key"], found["known_hosts"], json.dumps(names)), strict=True
        ):
            new = self.folder / f"{name}.new"
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                file.write(text)
            new.replace(self.folder / name)
        return self.endpoint()

    def down(self) -> None:
        """Drop the machine and one's own checkpoints; nothing to do for a lab that never came up in a class."""
        if Broker.of_sandbox() and (self.folder / FILES[-1]).exists():
            self._ask("down")

    def status(self) -> Status:
        """What the broker sees."""
        found = self._ask("status")
        return Status(found["state"], self.name, found["detail"])

    def endpoint(self) -> Endpoint:
        """Where and as whom to log in, as `up` was told."""
        key, known_hosts, names = (self.folder / name for name in FILES)
        try:
            found = json.loads(names.read_text())
        except FileNotFoundError as error:
            raise NotUp(f"no machine came up for the lab in {self.folder}", "lab up") from error
        return Endpoint(found["host"], found["port"], found["user"], key, known_hosts)

    def connect(self) -> socket:
        """A stream to sshd, opened by the broker and passed to us."""
        return self._broker().connect()

    def cut_power(self) -> None:
        """Take the machine's power away."""
        self._ask("cut_power")

    def save(self, name: str) -> None:
        """Keep the machine's state; the class keeps `fresh` itself."""
        self._ask("save", name=name)

    def restore(self, name: str) -> None:
        """Put the machine back to a checkpoint of one's own, or to an end of a chapter that the class has made."""
        self._ask("restore", name=name)

    def names(self) -> list[str]:
        """The class's checkpoints, then one's own."""
        return [str(name) for name in self._ask("names")]

    def forget(self, name: str) -> None:
        """Drop a checkpoint of one's own."""
        self._ask("forget", name=name)

    @classmethod
    def doctor(cls) -> list[Finding]:
        """Whether the broker answers; nothing outside a class."""
        broker = Broker.of_sandbox()
        if not broker:
            return []
        try:
            broker.ask("status", seconds=20)
        except LabError as error:
            return [Finding(False, f"the broker of the class: {error.message}", error.next_step)]
        return [Finding(True, "the broker of the class: makes the machine")]

    @classmethod
    def usable(cls) -> bool:
        """Are we in a trainee's sandbox?"""
        return Broker.of_sandbox() is not None

    def _broker(self) -> Broker:
        broker = Broker.of_sandbox()
        if not broker:
            raise NotUp(f"not in a class: ${VARIABLE} is not set", "lab down; lab up")
        return broker

    def _ask(self, do: str, progress: Progress = lambda _: None, **arguments: Any) -> Any:
        return self._broker().ask(do, progress, **arguments)

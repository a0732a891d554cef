"""The contract between a lab and whatever makes its machine: all that the rest of `lab` knows of a provider."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from socket import socket
from typing import Literal, Protocol

Progress = Callable[[str], None]
"""Called with one short line for each step of long work, e.g. ``unpacking packages``."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where and as whom to reach sshd. `host` and `port` are the names under which `known_hosts` pins the key."""

    host: str
    port: int
    user: str
    key_file: Path
    known_hosts: Path


@dataclass(frozen=True, slots=True)
class Status:
    """What a provider knows of its machine without logging in to it."""

    state: Literal["running", "stopped", "absent"]
    provider: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a provider needs on this host: is it there, and if not, the command that mends it."""

    ok: bool
    what: str
    mend: str = ""


class Provider(Protocol):
    """A machine that can be made, reached, saved and thrown away. Every method may raise `LabError`."""

    name: str
    machine: str
    """What it makes: two providers of the same machine can use each other's checkpoints."""

    def up(self, progress: Progress) -> Endpoint:
        """Leave a machine whose sshd answers; making nothing anew that is there already."""

    def down(self) -> None:
        """Remove the machine and everything made for it, however incomplete; absent is fine."""

    def status(self) -> Status:
        """Say whether the machine runs, in well under a second."""

    def endpoint(self) -> Endpoint:
        """Where sshd of the running machine is; raises `NotUp`."""

    def connect(self) -> socket:
        """A fresh stream to sshd of the running machine; raises `NotUp`."""

    def cut_power(self) -> None:
        """Take the running machine's power away: nothing in it is told; its disk stays for `up`."""

    def save(self, name: str) -> None:
        """Keep the whole machine's state under a name, replacing an older one of that name."""

    def restore(self, name: str) -> None:
        """Put the machine back to a saved state, running, sshd answering; raises `UnknownName`."""

    def names(self) -> list[str]:
        """Names of the saved states, oldest first."""

    def forget(self, name: str) -> None:
        """Drop a saved state; absent is fine."""

    @classmethod
    def doctor(cls) -> list[Finding]:
        """What this provider needs on this host and whether it is there."""

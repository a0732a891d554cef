"""Settings of a class and its roster: what `lab class up` writes to class.json and everybody else only reads."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from lab.classroom import place
from lab.errors import NotUp


@dataclass(frozen=True, slots=True)
class Trainee:
    """One line of the roster. `name` is for logins and folders: 1 to 31 small letters, digits, hyphens."""

    name: str
    full_name: str
    number: int
    """1 for the first; uid, gid and addresses are counted from it."""
    scrypt: str
    """Hash of the password, as `lab.classroom` of the hub writes and reads it."""


@dataclass(frozen=True, slots=True)
class Share:
    """The most that one machine, or one sandbox, may have of the host."""

    memory: int
    """MiB; swap does not add to it."""
    cpus: float
    pids: int
    disk: int
    """MiB of the file system that holds a machine's disk with its checkpoints, or a trainee's home."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All of a class; numbers that are counted have their unit in the name or beside them."""

    trainees: tuple[Trainee, ...]
    instructor: str = "instructor"
    """Login of the instructor; no trainee has it."""
    instructor_scrypt: str = ""
    address: str = "127.0.0.1"
    """Where the proxy listens; 0.0.0.0 for a class on a network."""
    names: tuple[str, ...] = ("localhost", "127.0.0.1")
    """Names and addresses in the proxy's certificate."""
    port: int = 8443
    """TLS port of the proxy; the only one that others reach."""
    hub_port: int = 8081
    proxy_port: int = 8001
    """The proxy's own interface, on loopback."""
    page_port: int = 8082
    """The instructor's page, on loopback behind the proxy."""
    uid_base: int = 63000
    """A trainee's uid and gid are this plus the number."""
    network: str = "10.213.0.0/16"
    """The links between host and sandboxes are /30s of it."""
    idle_minutes: int = 60
    """After so long without activity a JupyterLab is ended; 0 never. The machine stays."""
    machine: Share = field(
        default_factory=lambda: Share(memory=640, cpus=1.0, pids=1024, disk=2048)
    )
    sandbox: Share = field(default_factory=lambda: Share(memory=1024, cpus=1.0, pids=512, disk=512))
    at_once: int = 4
    """Commands of podman that the broker runs at the same time, for all trainees together."""
    prepare: bool = True
    """Make the class-wide ends of chapters in the background once the class is up."""

    def uid(self, trainee: Trainee) -> int:
        """The trainee's uid, which is the gid as well."""
        return self.uid_base + trainee.number

    def trainee(self, name: str) -> Trainee | None:
        """Who has that login."""
        return next((each for each in self.trainees if each.name == name), None)


def load(path: Path | None = None) -> Settings:
    """Read class.json. Raises `NotUp` if there is none."""
    try:
        found = json.loads((path or place.settings_file()).read_text())
    except FileNotFoundError as error:
        raise NotUp("no class is up", "lab class up --trainees 2") from error
    found["trainees"] = tuple(Trainee(**each) for each in found["trainees"])
    found["names"] = tuple(found["names"])
    for share in ("machine", "sandbox"):
        found[share] = Share(**found[share])
    return Settings(**found)


def store(settings: Settings, path: Path | None = None) -> None:
    """Write class.json, mode 0600, whole or not at all."""
    target = path or place.settings_file()
    new = target.with_suffix(".new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(asdict(settings), file, indent=2)
    new.replace(target)

"""A lab: one machine of one's own, its keys, its checkpoints, and the connection to it."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

from lab.classroom.place import CLASS
from lab.config import lab_name, settings, state_dir
from lab.errors import ConnectionLost, LabError, NoProvider, NotUp, UnknownName
from lab.host import Host
from lab.machine import image
from lab.providers.base import Progress, Provider, Status
from lab.providers.classroom import ClassroomProvider
from lab.providers.container import ContainerProvider
from lab.providers.vagrant import VagrantProvider

Kind = type[ContainerProvider] | type[VagrantProvider] | type[ClassroomProvider]
PROVIDERS: dict[str, Kind] = {
    each.name: each for each in (ContainerProvider, VagrantProvider, ClassroomProvider)
}
FRESH = "fresh"
"""Checkpoint of the machine as it first came up."""
BOOTED = """systemctl is-system-running --wait
systemctl --quiet is-active cyrus-imapd || exit 0
timeout 10 sh -c 'until ss -Hlx src /var/imap/socket/lmtp | grep -q .; do sleep 0.1; done'"""
"""Wait for what boots with the machine. Cyrus counts as started before it listens; its LMTP socket is the last one."""
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")


def _quiet(_: str) -> None:
    return


class Lab:
    """Makes, reaches, saves and removes one lab machine.

    All it leaves on the host lies in ``.lab/<name>``, which `down` removes. Commands of several processes on
    one lab wait for each other.
    """

    _current: ClassVar[Lab | None] = None

    def __init__(self, name: str | None = None, provider: str | None = None) -> None:
        self.name = name or lab_name()
        if not NAME.fullmatch(self.name) or self.name == CLASS:
            raise LabError(
                f"{self.name!r} is no name for a lab",
                f"use up to 31 small letters, digits and hyphens, but not {CLASS!r}",
            )
        self.folder = state_dir() / self.name
        self._wanted = (
            provider
            or os.environ.get("LAB_PROVIDER")
            or (ClassroomProvider.name if ClassroomProvider.usable() else None)
            or settings().get("provider")
        )
        if self._wanted and self._wanted not in PROVIDERS:
            raise UnknownName("provider", self._wanted, list(PROVIDERS))
        self._host: Host | None = None

    @classmethod
    def current(cls) -> Lab:
        """The lab that this process brought up last, else the default one."""
        return cls._current or cls()

    @property
    def host(self) -> Host:
        """The machine as one works on it; connects on first use. Raises `NotUp`."""
        if self._host is None:
            provider = self.provider()
            self._host = Host(provider.endpoint(), provider.connect)
        return self._host

    def up(self, progress: Progress = _quiet) -> Host:
        """Leave the machine running and answering; quick if it does already."""
        with self._locked(progress):
            if not self._answers():
                provider = self._choose()
                provider.up(progress)
                self._reconnect()
                if not self._record().get(FRESH):
                    progress("saving the checkpoint 'fresh'")
                    provider.save(FRESH)
                    self._write_record({**self._record(), FRESH: True})
        Lab._current = self
        return self.host

    def down(self) -> None:
        """Remove the machine, its checkpoints and its folder, whatever state they are in."""
        with self._locked():
            self._close()
            # A lab that was killed while it came up may not have said how: then every provider cleans up.
            known = self._record().get("provider")
            for name in [known] if known in PROVIDERS else PROVIDERS:
                PROVIDERS[name](self.folder).down()
            shutil.rmtree(self.folder, ignore_errors=True)
        image.sweep()

    def status(self) -> Status:
        """What the provider says, without a login."""
        try:
            return self.provider().status()
        except NotUp:
            return Status("absent", self._wanted or "none", "")

    def save(self, name: str) -> None:
        """Keep the whole machine under a name."""
        check_checkpoint_name(name)
        with self._locked():
            self.provider().save(name)

    def restore(self, name: str) -> Host:
        """Put the machine back to a checkpoint and reconnect."""
        with self._locked():
            provider = self.provider()
            self._close()
            provider.restore(name)
            self._reconnect()
        Lab._current = self
        return self.host

    def power_cut(self) -> Host:
        """Take the machine's power away without warning, switch it on again and reconnect."""
        with self._locked():
            provider = self.provider()
            self._close()
            provider.cut_power()
            provider.up(_quiet)
            self._reconnect()
        Lab._current = self
        return self.host

    def names(self) -> list[str]:
        """Checkpoints, oldest first."""
        return self.provider().names()

    def forget(self, name: str) -> None:
        """Drop a checkpoint."""
        with self._locked():
            self.provider().forget(name)

    def kind(self) -> str:
        """Name of the provider that this lab has, or would get. Raises `NoProvider`."""
        return str(self._record().get("provider") or self._wanted or automatic())

    def machine(self) -> str:
        """What the machine is, whoever makes it: ``container`` or ``vagrant``. Raises `NoProvider`."""
        return PROVIDERS[self.kind()].machine

    def provider(self) -> Provider:
        """The provider this lab came up with. Raises `NotUp` if it never did."""
        name = self._record().get("provider")
        if name not in PROVIDERS:
            raise NotUp(f"lab {self.name!r} is not up", "lab up")
        if self._wanted and self._wanted != name:
            raise LabError(
                f"lab {self.name!r} is up with {name}, not {self._wanted}",
                "lab down first, or give the other lab a name of its own: --lab NAME",
            )
        return PROVIDERS[name](self.folder)

    # -- inside -------------------------------------------------------------------------------------------------

    def _answers(self) -> bool:
        try:
            return self.host.run("true", timeout=20).ok
        except (NotUp, ConnectionLost):  # also of a machine that is there and dead
            self._close()
            return False

    def _choose(self) -> Provider:
        """The provider on record, else the wanted one, else the best one that this host has."""
        name = self.kind()
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self._write_record({**self._record(), "provider": name})
        return self.provider()

    def _reconnect(self) -> None:
        self._close()
        # A service that boots with the machine is there when we hand it over.
        self.host.run(BOOTED, check=False, timeout=120)

    def _close(self) -> None:
        if self._host:
            self._host.close()
            self._host = None

    def _record(self) -> dict[str, object]:
        try:
            record = json.loads((self.folder / "lab.json").read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return record if isinstance(record, dict) else {}

    def _write_record(self, record: dict[str, object]) -> None:
        new = self.folder / "lab.json.new"
        new.write_text(json.dumps(record) + "\n")
        new.replace(self.folder / "lab.json")

    @contextmanager
    def _locked(self, progress: Progress = _quiet) -> Iterator[None]:
        with (state_dir() / f"{self.name}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                progress(f"another command is at work on lab {self.name!r}: waiting for it")
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def automatic() -> str:
    """A real virtual machine where the processor helps, else a container. Raises `NoProvider`."""
    if VagrantProvider.usable() and VagrantProvider.accelerated():
        return VagrantProvider.name
    if ContainerProvider.usable():
        return ContainerProvider.name
    lacks = [f for kind in PROVIDERS.values() for f in kind.doctor() if not f.ok]
    raise NoProvider(
        "this host can run no lab yet: " + "; ".join(f.what for f in lacks), "make setup"
    )


def known_labs() -> list[str]:
    """Names of the labs that left something in the state folder."""
    return sorted(path.parent.name for path in state_dir().glob("*/lab.json"))


def check_checkpoint_name(name: str) -> None:
    """Raise `LabError` unless both providers can take the name."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,60}", name):
        raise LabError(
            f"{name!r} is no name for a checkpoint", "use small letters, digits, dots and hyphens"
        )

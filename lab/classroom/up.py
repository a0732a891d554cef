"""Brings a class up: roster, passwords, certificate, disks, network, then the programs; and adds to one that is up.

Each step leaves what is there already as it is, so an `up` that was interrupted is gone on with by the next one.
"""

from __future__ import annotations

import compileall
import contextlib
import fcntl
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lab.classroom import boxes, net, place, roster, services, storage, supervisor, tls
from lab.classroom import settings as class_settings
from lab.classroom.cgroup import Group
from lab.classroom.client import Broker
from lab.classroom.marks import Marks
from lab.classroom.roster import Person
from lab.classroom.settings import Settings
from lab.config import ROOT, state_dir
from lab.errors import LabError, NotUp
from lab.providers.base import Progress
from lab.providers.container import base_image

PROGRAMS = ("bwrap", "nft", "ip", "nsenter", "unshare", "setpriv", "mkfs.ext4", "losetup", "podman")
READY_SECONDS = 180.0
END_SECONDS = 60.0
HIGHEST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Wish:
    """What the options of `lab class up` say; None leaves a setting as it is."""

    people: Sequence[Person] = ()
    address: str | None = None
    port: int | None = None
    names: Sequence[str] = ()
    idle_minutes: int | None = None
    certificate: Path | None = None
    key: Path | None = None
    prepare: bool | None = None


@contextmanager
def alone() -> Iterator[None]:
    """One command at a time makes or removes the class. Raises `LabError` if another is at it."""
    with (state_dir() / "class.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LabError("another command is at work on the class", "wait for it") from error
        yield


def require_host() -> None:
    """Raise `LabError` unless this host has what a class needs."""
    if os.geteuid():
        raise LabError("only root can bring a class up", "sudo .venv/bin/lab class up ...")
    os.environ["PATH"] = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    missing = [name for name in PROGRAMS if not shutil.which(name)]
    missing += [] if services.PROXY.exists() else ["configurable-http-proxy"]
    if missing:
        raise LabError(f"this host lacks {', '.join(missing)}", "make setup-class")
    Group.of(Marks.of().group)


def up(wish: Wish, progress: Progress) -> Settings:
    """Have the class up with all people wished for, and those it has. Raises `LabError`."""
    require_host()
    with alone():
        before, settings = _settled(wish, progress)
        _lay(settings, wish, progress)
        pid = supervisor.running()
        if pid and replace(settings, trainees=()) != replace(before, trainees=()):
            progress("starting the programs anew, with other settings")
            end_programs()
            pid = None
        if not pid:
            progress("starting broker, proxy and hub")
            _start()
        elif settings.trainees != before.trainees:
            os.kill(pid, signal.SIGHUP)
        await_ready(settings, progress)
        return settings


def stay() -> int:
    """Wait as long as the class is up; a signal that ends us takes its programs along, for systemd."""
    pid = supervisor.running()
    if not pid:
        return 1
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os.kill(pid, signal.SIGTERM))
    while supervisor.running():
        time.sleep(1)
    return 0


def end_programs() -> None:
    """Ask the supervisor to end its programs and itself, and wait for it; the servers of the trainees go on."""
    pid = supervisor.running()
    if not pid:
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + END_SECONDS
    while supervisor.running() and time.monotonic() < deadline:
        time.sleep(0.1)


def _settled(wish: Wish, progress: Progress) -> tuple[Settings, Settings]:
    """class.json as it was and with the wish in it; passwords.csv has those of the new people."""
    try:
        before = settings = class_settings.load()
    except NotUp:
        before = settings = _new(wish)
    known = {each.name for each in settings.trainees}
    passwords = {each.name: roster.password() for each in wish.people if each.name not in known}
    if settings.instructor in passwords:
        raise LabError(f"{settings.instructor} is the instructor's login", "choose another login")
    if passwords:
        progress(f"{len(passwords)} new trainees")
    hashes = {name: roster.hashed(word) for name, word in passwords.items()}
    changed: dict[str, Any] = {
        "address": wish.address,
        "port": wish.port,
        "names": tuple(wish.names) or None,
        "idle_minutes": wish.idle_minutes,
        "prepare": wish.prepare,
    }
    settings = replace(
        settings,
        trainees=roster.enrolled(settings.trainees, wish.people, hashes),
        **{name: value for name, value in changed.items() if value is not None},
    )
    if not settings.trainees:
        raise LabError("a class has at least one trainee", "lab class up --trainees 2")
    if not settings.instructor_scrypt:
        passwords[settings.instructor] = roster.password()
        hashed = roster.hashed(passwords[settings.instructor])
        settings = replace(settings, instructor_scrypt=hashed)
    write_passwords(settings, passwords)
    class_settings.store(settings)
    return before, settings


def _new(wish: Wish) -> Settings:
    """Settings of a class that meets nothing on this host."""
    marks = Marks.of()
    ports = free_ports((wish.port or 8443, 8001, 8081, 8082), wish.address or "127.0.0.1")
    if wish.port and ports[0] != wish.port:
        raise LabError(f"port {wish.port} is taken", "lab class up --port NUMBER")
    return Settings(
        (),
        port=ports[0],
        proxy_port=ports[1],
        hub_port=ports[2],
        page_port=ports[3],
        uid_base=marks.uid_base,
        network=net.free_network(marks.key, net.used_networks()),
    )


def free_ports(wanted: Iterable[int], address: str) -> list[int]:
    """For each port the first free one from there on, none twice. Raises `LabError`."""
    found: list[int] = []
    for first in wanted:
        for port in range(first, HIGHEST_PORT):
            if port not in found and _free(address, port) and _free("127.0.0.1", port):
                found.append(port)
                break
        else:
            raise LabError(f"no port from {first} on is free", "lab class up --port NUMBER")
    return found


def _free(address: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


def write_passwords(settings: Settings, new: Mapping[str, str]) -> None:
    """Put passwords into passwords.csv, mode 0600, and keep the others in it."""
    if not new:
        return
    path = place.passwords()
    kept = {row[0]: row[2] for row in roster.rows(path.read_text())} if path.exists() else {}
    words = {**kept, **new}
    names = {settings.instructor: "Instructor"} | {e.name: e.full_name for e in settings.trainees}
    target = path.with_suffix(".new")
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(roster.table((n, full, words[n]) for n, full in names.items() if n in words))
    target.replace(path)


def reset_password(name: str) -> None:
    """Give a trainee or the instructor a new password; the old one is worth nothing at once. Raises `LabError`."""
    with alone():
        settings = class_settings.load()
        word = roster.password()
        if name == settings.instructor:
            settings = replace(settings, instructor_scrypt=roster.hashed(word))
        elif settings.trainee(name):
            trainees = [
                replace(each, scrypt=roster.hashed(word)) if each.name == name else each
                for each in settings.trainees
            ]
            settings = replace(settings, trainees=tuple(trainees))
        else:
            raise LabError(f"nobody in the class is called {name}", "lab class status")
        write_passwords(settings, {name: word})
        class_settings.store(settings)


def _lay(settings: Settings, wish: Wish, progress: Progress) -> None:
    """Everything that must be there before the programs start."""
    if wish.certificate and wish.key:
        tls.bring(wish.certificate, wish.key)
    elif not tls.certificate_file().exists() or wish.names:
        tls.make(settings.names)
    # The sandboxes cannot write into the checkout. What runs on a machine is compiled there, if at all.
    elsewhere = re.compile("/lab/(files|meta1)/")
    compileall.compile_dir(ROOT / "lab", quiet=2, maxlevels=8, rx=elsewhere)
    base_image(progress)
    progress("file systems for the machines")
    storage.make(settings)
    net.lay_host(Marks.of(), settings.network, settings.hub_port)


def _start() -> None:
    """Start the supervisor, detached from this terminal and session."""
    log = supervisor.log_of("supervisor")
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with log.open("ab") as out:
        subprocess.Popen(
            [sys.executable, "-m", "lab.classroom"],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
            cwd=ROOT,
        )


def await_ready(settings: Settings, progress: Progress) -> None:
    """Wait until all programs answer. Raises `LabError` with the log of the one that does not."""
    deadline = time.monotonic() + READY_SECONDS
    for name, answers in (("broker", _broker_answers), ("hub", lambda: _hub_answers(settings))):
        progress(f"waiting for the {name}")
        while not answers():
            if time.monotonic() > deadline:
                raise LabError(
                    f"the {name} did not answer within {READY_SECONDS:.0f} s",
                    f"look into {supervisor.log_of(name)}",
                )
            time.sleep(0.2)


def _broker_answers() -> bool:
    try:
        Broker(place.instructor_socket()).ask("table", seconds=10.0)
    except LabError:
        return False
    return True


def _hub_answers(settings: Settings) -> bool:
    """The hub, through the proxy and its TLS."""
    host = "127.0.0.1" if settings.address in ("0.0.0.0", "::") else settings.address
    context = ssl.create_default_context(cafile=str(tls.certificate_file()))
    context.check_hostname = False
    context.verify_mode = (
        ssl.CERT_NONE
    )  # the handshake is what is asked for; who we talk to is this host
    try:
        url = f"https://{host}:{settings.port}/hub/health"
        with urllib.request.urlopen(url, timeout=10, context=context) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def tell(settings: Settings) -> dict[str, str]:
    """What the instructor needs to begin."""
    shown = settings.names[0] if settings.names else settings.address
    return {
        "address": f"https://{shown}:{settings.port}/",
        "passwords": str(place.passwords()),
        "certificate": tls.fingerprint(),
    }


def servers(settings: Settings) -> dict[str, bool]:
    """Of each trainee whether something runs in the sandbox."""
    return {each.name: bool(boxes.group(each.name).processes()) for each in settings.trainees}

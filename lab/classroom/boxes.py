"""A trainee's server on this host: home, network, control group, the process that runs in them, and its end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.classroom import disks, net, place, sandbox
from lab.classroom.cgroup import Group
from lab.classroom.marks import Marks
from lab.classroom.settings import Settings, Trainee

GRACE_SECONDS = 5.0
"""Between asking a server to end and killing it."""


@dataclass(frozen=True, slots=True)
class Running:
    """A process that no other can be taken for, even where its id is given out again."""

    pid: int
    started: int
    """Clock ticks from the host's boot."""

    def alive(self) -> bool:
        """It runs: neither gone nor waiting to be reaped. Reaps it where it is our child."""
        with contextlib.suppress(ChildProcessError):  # of an earlier hub
            os.waitpid(self.pid, os.WNOHANG)
        return started(self.pid) == self.started


def started(pid: int) -> int | None:
    """When that process started, in ticks; None if there is none, or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def program(pid: int) -> str:
    """Name of the program that a process runs; empty if it has ended."""
    try:
        name = Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""
    return name if started(pid) is not None else ""


def group(name: str) -> Group:
    """Control group of a trainee's sandbox."""
    return Group.of(f"{Marks.of().group}/{name}")


def box(settings: Settings, trainee: Trainee) -> sandbox.Box:
    """The trainee's sandbox."""
    return sandbox.Box(
        name=trainee.name,
        uid=settings.uid(trainee),
        home=place.home(trainee.name),
        etc=place.sandbox(trainee.name) / "etc",
        run=place.trainee_run(trainee.name),
        namespace=place.namespace(trainee.name),
    )


def prepare(settings: Settings, trainee: Trainee) -> None:
    """Have the home mounted, the files of /etc, network and control group; nothing runs in them."""
    name, uid = trainee.name, settings.uid(trainee)
    group(name).end()
    disks.make(place.home_image(name), place.home(name), settings.sandbox.disk, uid)
    etc = place.sandbox(name) / "etc"
    etc.mkdir(mode=0o755, parents=True, exist_ok=True)
    for file, text in sandbox.files(name, trainee.full_name, uid).items():
        (etc / file).write_text(text)
        (etc / file).chmod(0o644)
    net.lay_link(Marks.of(), settings.network, place.namespace(name), trainee.number)
    group(name).make(settings.sandbox)


def start(
    settings: Settings, trainee: Trainee, environment: Mapping[str, str], command: Sequence[str]
) -> Running:
    """Start the trainee's server in its sandbox; it goes on when the one who started it ends."""
    prepare(settings, trainee)
    argv = sandbox.argv(box(settings, trainee), sandbox.tree(), command)
    # Of what makes the sandbox; the server itself writes a log in the home, whose size is limited.
    with (place.sandbox(trainee.name) / "sandbox.log").open("wb") as out:
        process = subprocess.Popen(
            group(trainee.name).entering(argv),
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd="/",
            start_new_session=True,
        )
    return Running(process.pid, started(process.pid) or 0)


def stop(settings: Settings, trainee: Trainee, now: bool = False) -> None:
    """End all that runs in the sandbox, asking first unless `now`; the home stays."""
    cgroup = group(trainee.name)
    if not now:
        cgroup.signal(signal.SIGTERM, settings.uid(trainee))
        deadline = time.monotonic() + GRACE_SECONDS
        while cgroup.processes() and time.monotonic() < deadline:
            time.sleep(0.05)
    cgroup.end()
    net.remove_link(Marks.of(), place.namespace(trainee.name), trainee.number)

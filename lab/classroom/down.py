"""Takes a class down, whatever state it is in: no process, mount, network, control group, table or file is left.

Nothing is taken from a record: all that a class makes on a host carries its mark or lies in its folder.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

from lab.classroom import boxes, disks, net, place, storage
from lab.classroom import settings as class_settings
from lab.classroom.cgroup import Group
from lab.classroom.marks import Marks
from lab.classroom.settings import Settings
from lab.classroom.up import alone, end_programs
from lab.config import state_dir
from lab.errors import LabError, NotUp
from lab.providers.base import Progress

COMMAND_SECONDS = 20.0


def down(progress: Progress) -> None:
    """Remove all of the class. Goes on where a step fails, and raises its `LabError` at the end."""
    if os.geteuid():
        raise LabError("only root can take a class down", "sudo .venv/bin/lab class down")
    os.environ["PATH"] = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    if not (state_dir() / place.CLASS).exists():
        return
    with alone():
        failed: list[LabError] = []
        for step, what in (
            ("ending hub, proxy and broker", end_programs),
            ("ending the servers", _end_servers),
            ("ending commands at work", _end_commands),
            ("removing the machines", lambda: storage.remove(_settings(), progress)),
            ("removing the homes", _remove_homes),
            ("removing the network", _remove_network),
            ("ending what is left", lambda: Group.of(Marks.of().group).end()),
            ("unmounting what is left", _unmount),
        ):
            progress(step)
            _try(what, failed)
        if failed:
            raise failed[0]
        shutil.rmtree(place.top())
    (state_dir() / "class.lock").unlink(missing_ok=True)


def _try(what: Callable[[], None], failed: list[LabError]) -> None:
    try:
        what()
    except LabError as error:
        failed.append(error)
    except OSError as error:
        failed.append(LabError(f"{error.filename}: {error.strerror}", "lab class down"))


def _settings() -> Settings:
    try:
        return class_settings.load()
    except (
        NotUp,
        ValueError,
        TypeError,
        KeyError,
    ):  # an `up` that was killed early, or a broken file
        return Settings(())


def _end_servers() -> None:
    """Kill every sandbox."""
    for path in (place.top() / "sandboxes").glob("*/"):
        boxes.group(path.name).end()


def _end_commands() -> None:
    """Kill what programs left that were killed: a podman at work would make anew what is removed.

    conmon, of which one sits with each machine, ends with it.
    """
    group = Group.of(f"{Marks.of().group}/services")
    deadline = time.monotonic() + COMMAND_SECONDS
    while time.monotonic() < deadline:
        left = [pid for pid in group.processes() if boxes.program(pid) not in ("", "conmon")]
        if not left:
            return
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


def _remove_homes() -> None:
    folder = place.top() / "homes"
    for image in folder.glob("*.img"):
        disks.remove(image, folder / image.stem)


def _remove_network() -> None:
    net.remove_all(Marks.of(), (place.top() / "net").glob("*"))


def _unmount() -> None:
    """Unmount whatever still is in the class's folder, the inner ones first."""
    rows = Path("/proc/self/mounts").read_text().splitlines()
    mounted = [row.split()[1] for row in rows]
    inside = [path for path in mounted if path.startswith(f"{place.top()}/")]
    for path in sorted(inside, reverse=True):
        done = net.run(["umount", path])
        if done.returncode:
            raise LabError(f"umount {path}: {done.stderr.strip()}", f"fuser --mount {path}")

"""Run `vagrant`: its lines as progress and into a log, never longer than its time, never left over."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError, NoProvider
from lab.providers.base import Progress

KEPT_LINES = 400
LAST_LINES = 8
GRACE = 7.0
"""Seconds to end after each signal: Vagrant first removes what it was making."""
NOISE = re.compile(r"==> \w+: +(--|->)|Progress: \d+%|\x1b\[")
PREFIX = re.compile(r"^(==> )?\w+: ")
AGAIN = "lab down; lab up"
# What Vagrant, libvirt and QEMU say at length: what it means, and the next step.
KNOWN = (
    (r"No space left on device|ENOSPC|not enough free space", "the disk is full", "df -h"),
    (
        r"Could not set up host forwarding rule",
        "another program has taken the machine's port",
        AGAIN,
    ),
    (r"already taken|already exists with uuid", "a machine of that name is there", "lab down"),
    (
        r"Cannot allocate memory|cannot set up guest memory",
        "too little memory",
        "LAB_MEMORY=1024 lab up",
    ),
    (r"Could not access KVM|failed to initialize kvm", "KVM fails here", "LAB_ACCEL=qemu lab up"),
    (r"waiting for the machine to boot", "the machine did not boot in time", AGAIN),
    (r"resolve host|Failed to connect to", "the box cannot be fetched", "unset LAB_BOX; lab up"),
    (r"Permission denied|Operation not permitted", "a right is missing", "lab doctor"),
)


class TookTooLong(LabError):
    """A run of vagrant that was ended after its time."""


@dataclass(frozen=True, slots=True)
class Vagrant:
    """Vagrant for one lab: where its log and the record of its process are."""

    log: Path
    record: Path

    def run(
        self, command: list[str], env: dict[str, str], progress: Progress, limit: float
    ) -> list[str]:
        """Run to the end and return what it printed; raise `LabError` with the last lines."""
        self.log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        process = _start(command, env)
        late = threading.Event()

        def stop() -> None:
            late.set()
            _stop(process.pid)

        timer = threading.Timer(limit, stop)
        timer.start()
        try:
            self.record.write_text(f"{process.pid} {_started(process.pid)}")
            lines = self._follow(process, progress)
        except BaseException:
            _stop(process.pid)
            raise
        finally:
            timer.cancel()
            process.wait()
            self.record.unlink(missing_ok=True)
        what = " ".join(command[command.index("vagrant") :])
        if late.is_set():
            raise TookTooLong(f"no end of `{what}` after {limit:.0f} s; see {self.log}", AGAIN)
        if process.returncode:
            raise failure(what, lines, self.log)
        return lines

    def end(self) -> None:
        """End a run whose caller was killed, and wait until it is gone."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            pid, started = self.record.read_text().split()
            if _started(int(pid)) == started:
                _stop(int(pid))
            self.record.unlink(missing_ok=True)

    def _follow(self, process: subprocess.Popen[str], progress: Progress) -> list[str]:
        lines: deque[str] = deque(maxlen=KEPT_LINES)
        assert process.stdout
        with self.log.open("a") as log:
            for line in process.stdout:
                text = line.rstrip()
                log.write(f"{time.strftime('%H:%M:%S')} {text}\n")
                log.flush()
                lines.append(text)
                if PREFIX.match(text.strip()) and not NOISE.search(text):
                    progress(PREFIX.sub("", text.strip()).rstrip("."))
        return list(lines)


def failure(what: str, lines: list[str], log: Path) -> LabError:
    """The error for a run that failed: its reason in one line if we know it, and the last lines."""
    said = [line for line in lines if line.strip() and not line.startswith("\t")]
    last = [f"  | {line}" for line in said[-LAST_LINES:]]
    for pattern, meaning, step in KNOWN:
        if re.search(pattern, "\n".join(lines)):
            return LabError("\n".join([f"{meaning}; all vagrant said is in {log}", *last]), step)
    return LabError("\n".join([f"`{what}` failed; all it said is in {log}", *last]), "lab doctor")


def _start(command: list[str], env: dict[str, str]) -> subprocess.Popen[str]:
    # It gets a signal when we die, even by SIGKILL; `Vagrant.end` waits for it, should it linger.
    bound = ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []
    try:
        return subprocess.Popen(
            [*bound, *command],
            env=env,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise NoProvider(f"{error.filename} is missing", "lab doctor") from error


def _stop(pid: int) -> None:
    """End a process group: asked first, so that it can clean up, by force in the end."""
    started = _started(pid)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, number)
        deadline = time.monotonic() + GRACE
        while time.monotonic() < deadline:
            if not started or _started(pid) != started:
                return
            time.sleep(0.05)


def _started(pid: int) -> str:
    """When a process started, in clock ticks since boot: with its number, a name for good.

    Empty if it is gone, or has ended and nobody has taken note yet.
    """
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if state == "Z" else fields[18]

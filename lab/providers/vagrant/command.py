"""Run the `vagrant` command: its lines as progress and into a log, never longer than its time, never left behind."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import threading
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError, NoProvider
from lab.providers.base import Progress

LAST_LINES = 12
GRACE = 15.0
"""Seconds for Vagrant to end by itself after a signal: it removes what it was making."""
NOISE = re.compile(r"==> \w+:  +(--|->)|Progress: \d+%|\x1b\[")
PREFIX = re.compile(r"^(==> )?\w+: ")
# What Vagrant, libvirt and QEMU say at length, in one line each, and the next step.
KNOWN = (
    (r"No space left on device|ENOSPC|not enough free space", "the disk is full",
     "make room: `df -h`; old machine images are in the cache folder that `lab doctor` names"),
    (r"Could not set up host forwarding rule", "the machine's port on 127.0.0.1 is taken by another program",
     "lab down; lab up"),
    (r"Permission denied|Operation not permitted", "a right is missing", "lab doctor"),
    (r"already taken|already exists with uuid|Volume for domain is already created",
     "a machine of that name is there already", "lab down"),
    (r"Cannot allocate memory|cannot set up guest memory", "not enough memory for the machine",
     "end other machines, or give this one less: LAB_MEMORY=1024"),
    (r"Could not access KVM|failed to initialize kvm", "KVM does not work here", "LAB_ACCEL=qemu lab up"),
    (r"Timed out while waiting for the machine to boot", "the machine did not boot in time", "lab down; lab up"),
    (r"Could not resolve host|Failed to connect to .* port", "the box cannot be fetched from here",
     "unset LAB_BOX: then the machine is built from Debian packages"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Vagrant:
    """Vagrant for one lab: where its log and the record of its process are."""

    log: Path
    record: Path

    def run(
        self,
        command: list[str],
        env: dict[str, str],
        progress: Progress,
        limit: float,
        all_lines: bool = False,
    ) -> list[str]:
        """Run to the end and return the lines; raises `LabError` with the last ones if it fails or takes too long."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        late = threading.Event()

        def stop_late() -> None:
            late.set()
            _stop(process.pid)

        try:
            # It gets a signal when we die, even by SIGKILL; `end` waits for it, should it linger.
            process = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", *command], env=env, text=True,
                                       errors="replace", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                       stderr=subprocess.STDOUT, start_new_session=True)  # fmt: skip
        except FileNotFoundError as error:
            raise NoProvider(f"{error.filename} is missing", "lab doctor") from error
        timer = threading.Timer(limit, stop_late)
        timer.start()
        try:
            self.record.write_text(f"{process.pid} {_started(process.pid)}")
            lines = self._follow(process, progress, all_lines)
        except BaseException:
            _stop(process.pid)
            raise
        finally:
            timer.cancel()
            process.wait()
            self.record.unlink(missing_ok=True)
        if late.is_set():
            raise LabError(
                f"`{_words(command)}` did not end within {limit:.0f} s; see {self.log}",
                "lab down; lab up",
            )
        if process.returncode:
            raise failure(_words(command), lines, self.log)
        return lines

    def end(self) -> None:
        """End a run whose caller was killed, and wait until it is gone."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            pid, started = self.record.read_text().split()
            if _started(int(pid)) == started:
                _stop(int(pid))
            self.record.unlink(missing_ok=True)

    def _follow(
        self, process: subprocess.Popen[str], progress: Progress, all_lines: bool
    ) -> list[str]:
        lines: deque[str] = deque(maxlen=400)
        assert process.stdout
        with self.log.open("a") as log:
            for line in process.stdout:
                text = line.rstrip()
                log.write(f"{time.strftime('%H:%M:%S')} {text}\n")
                log.flush()
                lines.append(text)
                if text and (all_lines or text.startswith("==>")) and not NOISE.search(text):
                    progress(PREFIX.sub("", text.strip()).rstrip("."))
        return list(lines)


def failure(what: str, lines: list[str], log: Path) -> LabError:
    """The error for a run that failed: its reason in one line if we know it, and the last lines."""
    text = "\n".join(lines)
    last = [f"  | {line}" for line in lines[-LAST_LINES:] if line.strip()]
    for pattern, meaning, step in KNOWN:
        if re.search(pattern, text):
            return LabError("\n".join([meaning, *last]), step)
    return LabError("\n".join([f"`{what}` failed; all it said is in {log}", *last]), "lab doctor")


def _words(command: list[str]) -> str:
    return " ".join(command[command.index("vagrant") :])


def _started(pid: int) -> str:
    """When a process started, in clock ticks since boot: with the number it names a process for good."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _stop(pid: int) -> None:
    """End a process group: asked first, so that it can clean up; by force after `GRACE` seconds."""
    started = _started(pid)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, number)
        deadline = time.monotonic() + GRACE / 2
        while _alive(pid, started):
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)
        else:
            return


def _alive(pid: int, started: str) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z" and _started(pid) == started

"""The drift check against the same commands as one plain ssh script.

The commands are those that the notebooks really send: the notebooks run once in this process while every command
is recorded with its input. The plain way then replays them: one `ssh` for each stretch between two changes of the
machine's state, which no ssh session survives, and the same saves and restores in between.
"""

from __future__ import annotations

import base64
import contextlib
import io
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from shlex import quote
from statistics import median
from typing import Any
from unittest.mock import patch

from lab.chapters import chapters
from lab.config import ROOT, state_dir
from lab.drift.notebooks import load, runs, source, tagged
from lab.errors import LabError
from lab.host import Host
from lab.lab import FRESH, Lab
from lab.notebook import Options
from lab.providers.base import Progress
from lab.running import Running

ROUNDS = 3


@dataclass(slots=True)
class Step:
    """A command with its input, or (without a command) a save or restore of a checkpoint."""

    command: str = ""
    given: bytearray = field(default_factory=bytearray)
    action: str = ""
    name: str = ""


def against_script(lab: Lab, progress: Progress) -> dict[str, float]:
    """Seconds of both ways in turns, medians, and their ratio."""
    lab.up(progress)
    progress("recording the notebooks' commands")
    steps = record(lab)
    times: dict[str, list[float]] = {"drift": [], "script": []}
    for turn in range(ROUNDS):
        progress(f"round {turn + 1} of {ROUNDS}")
        times["drift"].append(_timed(lambda: _drift(lab)))
        times["script"].append(_timed(lambda: replay(lab, steps)))
    figures = {f"{name}_s": median(values) for name, values in times.items()}
    return {
        **figures,
        "commands": float(sum(bool(s.command) for s in steps)),
        "ratio": figures["drift_s"] / figures["script_s"],
    }


def record(lab: Lab) -> list[Step]:
    """Run all notebooks in this process, from a fresh machine, and note what they send."""
    steps: list[Step] = []
    lab.restore(FRESH)
    with _recording(steps), patch.dict("os.environ", LAB_NAME=lab.name):
        for each in chapters():
            run_cell = _interpreter(lab)
            for cell in load(each.notebook)["cells"]:
                if runs(cell):
                    run_cell(source(cell), tagged(cell, "raises-exception"))
    for name, secret in _secrets(lab.host).items():
        for step in steps:
            step.given = step.given.replace(secret, f"@{name}@".encode())
    return steps


def _secrets(vm: Host) -> dict[str, bytes]:
    """Passwords that the chapters make: each run has others, and a wrong one is answered late."""
    names = vm.run("ls secrets").lines
    return {name: vm.get(f"secrets/{name}") for name in names}


def replay(lab: Lab, steps: list[Step]) -> None:
    """Do the same from a fresh machine by the plain ssh client."""
    lab.restore(FRESH)
    script: list[str] = []
    for step in [*steps, Step(action="end")]:
        if step.command:
            given = base64.b64encode(step.given).decode()
            for name in re.findall(rb"@(\w+)@", step.given):
                given += f' | base64 -d | sed "s/@{name.decode()}@/$(cat secrets/{name.decode()})/" | base64'
            script.append(f"echo {given} | base64 -d | ( {step.command} )\n")
            continue
        _ssh(lab, "".join(script))
        script.clear()
        if step.action == "save":
            lab.save(step.name)
        elif step.action == "restore":
            lab.restore(step.name)


def _ssh(lab: Lab, script: str) -> None:
    command = [sys.executable, "-m", "lab", "--lab", lab.name, "ssh", "bash -s"]
    subprocess.run(
        command,
        input=script.encode(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
        check=False,
        timeout=600,
    )


def _drift(lab: Lab) -> None:
    command = [
        sys.executable,
        "-m",
        "lab",
        "--lab",
        lab.name,
        "drift",
        "--force",
        "--out",
        str(state_dir() / "bench-drift"),
    ]
    subprocess.run(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
        check=True,
        timeout=600,
    )


def _timed(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def _interpreter(lab: Lab) -> Callable[[str, bool], None]:
    """An IPython of its own, in which a cell runs as in a notebook, printing nothing."""
    from IPython.core import interactiveshell

    make: Any = interactiveshell.InteractiveShell
    shell = make()

    def vm(line: str, cell: str) -> None:
        user = Options().parse_args(shlex.split(line)).as_user
        Lab(lab.name).host.script(cell, as_user=user, on_output=None)

    shell.register_magic_function(vm, "cell", "vm")

    def run_cell(text: str, may_fail: bool) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            done = shell.run_cell(text)
        if not (done.success or may_fail):
            raise LabError(f"while recording: {text}: {done.error_in_exec}", "lab drift")

    return run_cell


@contextmanager
def _recording(steps: list[Step]) -> Iterator[None]:
    """Note each command, what is sent to it, and each save and restore."""
    by_command: dict[int, Step] = {}
    start, feed, send = Running.start, Running.feed, Running.send
    save, restore = Lab.save, Lab.restore

    def noted_start(self: Running, shell: str | None = None, **how: bool) -> Running:
        text = shell or self.command
        command = (
            f"sudo -n -H -u {self.user} -- {shell or 'bash -c ' + quote(text)}"
            if self.user
            else text
        )
        steps.append(Step(command))
        by_command[id(self)] = steps[-1]
        return start(self, shell, **how)

    def noted(original: Callable[[Running, bytes], None]) -> Callable[[Running, bytes], None]:
        def call(self: Running, data: bytes) -> None:
            if id(self) in by_command:
                by_command[id(self)].given += data
            original(self, data)

        return call

    def noted_action(action: str, original: Callable[[Lab, str], Any]) -> Callable[[Lab, str], Any]:
        def call(self: Lab, name: str) -> Any:
            steps.append(Step(action=action, name=name))
            return original(self, name)

        return call

    with (
        patch.multiple(Running, start=noted_start, feed=noted(feed), send=noted(send)),
        patch.multiple(
            Lab, save=noted_action("save", save), restore=noted_action("restore", restore)
        ),
    ):
        yield

"""Hostile input to MeTA1 on a lab machine: its fuzzers, run where it runs, and their reports as figures of the book."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from typing import Any

from lab.bench.install import sources
from lab.host import Host
from lab.providers.base import Progress

FOLDER = "hostile-input"
LONGEST = 3600.0
"""Seconds for the full form of one target."""


@dataclass(frozen=True, slots=True)
class Target:
    """A part of MeTA1 that takes input from others, as `lab/meta1/tests/fuzz/table.py` has it."""

    name: str
    feeds: str
    holds: str
    short: int
    full: int


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a target; `growth` in octets, a finding has `seed` and `run`, which repeat it."""

    target: str
    seed: int
    runs: int
    seconds: float
    growth: int
    findings: Sequence[dict[str, Any]] = ()
    figures: dict[str, int] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Inputs a second."""
        return self.runs / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, slots=True)
class Amount:
    """How much to feed: the full form unless something is said."""

    runs: int | None = None
    seconds: float | None = None
    short: bool = False
    processes: int | None = None

    def options(self) -> list[str]:
        """The same for the fuzzers."""
        runs = ["--runs", str(self.runs)] if self.runs is not None else []
        seconds = ["--seconds", str(self.seconds)] if self.seconds is not None else []
        processes = ["--processes", str(self.processes)] if self.processes is not None else []
        return [*runs, *seconds, *processes, *["--short"] * self.short]


def prepared(host: Host) -> list[Target]:
    """Put this checkout's MeTA1 on the machine, in a folder of the user lab; the targets it has."""
    host.run("rm -rf %s && mkdir %s", FOLDER, FOLDER)
    host.run("tar x -C %s --no-same-owner", FOLDER, input=sources())
    said = host.run("cd %s && PYTHONPATH=src:tests python3 -m fuzz --list", FOLDER)
    return [Target(**json.loads(line)) for line in said.stdout.splitlines()]


def fuzz(host: Host, target: str, amount: Amount, seed: int, progress: Progress) -> Report:
    """Run one target on the machine. Findings are in the report: they raise nothing."""
    command = "cd %s && PYTHONPATH=src:tests python3 -m fuzz --json --target %s --seed %s"
    options = "".join(f" {each}" for each in amount.options())
    lines = Lines(progress)
    host.stream(
        command + options, FOLDER, target, seed, timeout=LONGEST, on_output=lines.take, check=False
    )
    lines.end()
    for line in lines.others:
        if line.startswith('{"target"'):
            return Report(**json.loads(line))
    died = {"seed": seed, "run": 0, "error": "\n".join(lines.others[-20:]) or "no report"}
    return Report(target, seed, 0, 0.0, 0, [died])


class Lines:
    """Output that comes in pieces: progress is shown, all else is kept."""

    def __init__(self, progress: Progress) -> None:
        """Begin."""
        self.others: list[str] = []
        self._progress = progress
        self._rest = ""

    def take(self, text: str) -> None:
        """Take a piece."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            if line.startswith("... "):
                self._progress(line.removeprefix("... "))
            else:
                self.others.append(line)

    def end(self) -> None:
        """Take what is left as the last line."""
        self.take("\n")


def run_all(
    host: Host,
    chosen: Sequence[Target],
    amount: Amount,
    seed: int,
    progress: Progress,
    side_by_side: int = 1,
) -> Iterator[Report]:
    """Run targets, some at a time; gives each report as it comes."""
    with ThreadPoolExecutor(side_by_side) as pool:
        started = [pool.submit(fuzz, host, each.name, amount, seed, progress) for each in chosen]
        for each in as_completed(started):
            yield each.result()

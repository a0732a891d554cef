"""Hostile input to MeTA1 on a lab machine: its fuzzers, run where it runs, and their reports as figures of the book."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.bench import results
from lab.bench.install import sources
from lab.host import Host
from lab.providers.base import Progress

NAME = "fuzz"
FOLDER = "hostile-input"
LONGEST = 3600.0
"""Seconds for the full form of one target."""
MIB = 1 << 20


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


def store(targets: Sequence[Target], reports: Sequence[Report], command: str) -> Path:
    """Make the figures of the book from a run; of targets that were not in it the last ones stay."""
    counts = {each.target: _row(each) for each in reports}
    figures = {name: value for each in reports for name, value in each.figures.items()}
    grown: list[list[results.Cell]] = [
        [name.removeprefix("growth of "), value / MIB]
        for name, value in figures.items()
        if name.startswith("growth of ")
    ]
    ledger: dict[str, results.Cell] = {
        name: figures.get(f"mails {name}") for name in ("promised", "delivered")
    }
    if results.path_of(NAME).exists():
        old = results.load(NAME)
        counts = {str(row[0]): list(row) for row in old.tables["counts"].rows} | counts
        grown = grown or [list(row) for row in old.tables["processes"].rows]
        ledger = {name: value or old.facts.get(name) for name, value in ledger.items()}
    known = [each for each in targets if each.name in counts]
    rows = [counts[each.name] for each in known]
    return results.store(
        NAME,
        command,
        tables={
            "targets": results.Table(
                "What each target is fed, and what must hold.",
                ["target", "is fed", "what must hold"],
                [[each.name, each.feeds, each.holds] for each in known],
            ),
            "counts": results.Table(
                "How much was fed, and what came of it.",
                ["target", "inputs", "seconds", "inputs a second", "memory grew, MiB", "findings"],
                rows,
            ),
            "processes": results.Table(
                "The live processes: memory after 200 sessions, and what was added by the end.",
                ["process", "grew, MiB"],
                grown,
            ),
        },
        facts={
            "inputs": sum(int(row[1] or 0) for row in rows),
            "findings": sum(int(row[5] or 0) for row in rows),
            "targets": len(rows),
            **{str(row[0]): row[1] for row in rows},
            **ledger,
        },
    )


def _row(report: Report) -> list[results.Cell]:
    """The counts of one target."""
    grew, found = report.growth / MIB, len(report.findings)
    return [report.target, report.runs, report.seconds, report.rate, grew, found]


def run_all(
    host: Host,
    chosen: Sequence[Target],
    amount: Amount,
    seed: int,
    progress: Progress,
    keep: Callable[[Sequence[Report]], object],
    side_by_side: int = 1,
) -> Iterator[Report]:
    """Run targets, some at a time; after each, `keep` gets all reports so far in order."""
    done: dict[str, Report] = {}
    with ThreadPoolExecutor(side_by_side) as pool:
        started = [pool.submit(fuzz, host, each.name, amount, seed, progress) for each in chosen]
        for each in as_completed(started):
            report = each.result()
            done[report.target] = report
            keep([done[one.name] for one in chosen if one.name in done])
            yield report

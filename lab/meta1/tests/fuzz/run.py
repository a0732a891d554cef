"""Runs targets in some processes: counts, rates, memory, and findings that can be repeated."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import FrameType
from typing import Any, Final

from fuzz.source import Seeded, Source
from fuzz.target import Lasting, Target

MAX_FINDINGS: Final = 5
"""Of one target: who finds so much stops, for the same mistake would be found for ever."""
TOLD_EVERY: Final = 0.5
SHOWN_EVERY: Final = 5.0
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")

Progress = Callable[[str], None]


class Hang(Exception):
    """One input took longer than the target allows."""


@dataclass
class Report:
    """What became of one target."""

    target: str
    seed: int
    runs: int = 0
    seconds: float = 0.0
    growth: int = 0
    """Peak of memory over what it was when the target was ready, of the worst process."""
    findings: list[dict[str, Any]] = field(default_factory=list)
    figures: dict[str, int] = field(default_factory=dict)

    @property
    def line(self) -> str:
        """One line for a terminal."""
        rate = self.runs / self.seconds if self.seconds else 0.0
        more = "".join(f", {name} {number}" for name, number in self.figures.items())
        return (
            f"{self.target:<14} {self.runs:>8} inputs {self.seconds:>7.1f} s {rate:>8.0f}/s "
            f"{self.growth / 2**20:>6.1f} MiB  {len(self.findings)} findings{more}"
        )


def resident() -> int:
    """Octets of memory this process has now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE


@contextmanager
def alarmed(seconds: float) -> Iterator[Callable[[], None]]:
    """Raise `Hang` unless the function given is called often enough."""

    def ring(number: int, frame: FrameType | None) -> None:
        raise Hang(f"an input took more than {seconds:.0f} s")

    old = signal.signal(signal.SIGALRM, ring)
    try:
        yield lambda: signal.setitimer(signal.ITIMER_REAL, seconds) and None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)


def finding(target: Target, seed: int, number: int, error: BaseException) -> dict[str, Any]:
    """What is needed to see it again."""
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    where = [f"{Path(one.filename).name}:{one.lineno} {one.name}" for one in frames]
    return _words(target.name, seed, number, f"{type(error).__name__}: {error}"[:3000], where)


def _words(name: str, seed: int, number: int, error: str, where: list[str]) -> dict[str, Any]:
    return {"target": name, "seed": seed, "run": number, "error": error, "where": where}


def work(
    target: Target, seed: int, numbers: range, most: int, deadline: float, told: Connection
) -> None:
    """In a process of its own: run inputs; sends (runs done, growth, findings, figures)."""
    logging.disable(logging.CRITICAL)
    box = Path(tempfile.mkdtemp(prefix="fuzz-"))
    found: list[dict[str, Any]] = []
    number, done, next_word = numbers.start, 0, 0.0
    figures: dict[str, int] = {}
    start = resident()

    def growth() -> int:
        return max(0, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - start)

    try:
        with alarmed(target.alarm) as rearm, target.open(box) as feed:
            start = max(resident(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
            for number in numbers:
                rearm()
                try:
                    feed(Source(Seeded(seed, number)))
                except Exception as error:
                    found.append(finding(target, seed, number, error))
                    if len(found) == most or target.is_single:
                        break
                done += 1
                now = time.monotonic()
                if now > next_word:
                    told.send((done, growth(), [], {}))
                    next_word = now + TOLD_EVERY
                if now > deadline:
                    break
            signal.setitimer(signal.ITIMER_REAL, 0)
            if isinstance(feed, Lasting) and not found:
                feed.finish()
                figures = feed.figures()
    except Exception as error:
        found.append(finding(target, seed, number, error))
    finally:
        shutil.rmtree(box, ignore_errors=True)
    told.send((done, growth(), found, figures))
    told.close()


def run(
    target: Target,
    runs: int,
    seed: int,
    *,
    processes: int = 1,
    seconds: float = 0.0,
    most: int = MAX_FINDINGS,
    progress: Progress | None = None,
) -> Report:
    """Run so many inputs of a target, or for so many seconds; what was found is in the report.

    A process stops at `most` findings; at one, all stop.
    """
    count = 1 if target.is_single else max(1, min(processes, runs))
    begin = time.monotonic()
    deadline = begin + seconds if seconds else float("inf")
    report = Report(target.name, seed)
    workers = [
        _Worker(target, seed, range(index, runs, count), most, deadline) for index in range(count)
    ]
    while alive := [one for one in workers if one.is_alive]:
        for end in wait([one.end for one in alive], 1.0):
            next(one for one in alive if one.end is end).hear(report)
        if most == 1 and report.findings:
            for one in alive:
                one.process.terminate()
            break
        report.runs = sum(one.done for one in workers)
        report.growth = max(one.growth for one in workers)
        report.seconds = time.monotonic() - begin
        if progress is not None:
            progress(report.line)
    for one in workers:
        one.process.join()
    return report


class _Worker:
    """A process, and what it has told."""

    def __init__(
        self, target: Target, seed: int, numbers: range, most: int, deadline: float
    ) -> None:
        """Start it."""
        context = multiprocessing.get_context("fork")
        self.end, there = context.Pipe(duplex=False)
        arguments = (target, seed, numbers, most, deadline, there)
        self.process = context.Process(target=work, args=arguments)
        self.process.start()
        there.close()
        self.is_alive = True
        self.done = self.growth = 0
        self._numbers = numbers

    def hear(self, report: Report) -> None:
        """Take what it tells; a process that ends without a word was killed by what it read."""
        try:
            self.done, self.growth, found, figures = self.end.recv()
        except EOFError:
            self.is_alive = False
            self.process.join()
            if self.process.exitcode:
                number = self._numbers[min(self.done, len(self._numbers) - 1)]
                error = f"a process died with status {self.process.exitcode} at this run or later"
                found, figures = [_words(report.target, report.seed, number, error, [])], {}
            else:
                return
        report.findings += found
        report.figures |= figures


def repeat(target: Target, seed: int, number: int) -> None:
    """Run one input again, in this process; raises what it raises."""
    box = Path(tempfile.mkdtemp(prefix="fuzz-"))
    try:
        with target.open(box) as feed:
            feed(Source(Seeded(seed, number)))
    finally:
        shutil.rmtree(box, ignore_errors=True)


def as_json(report: Report) -> str:
    """The report as one line of JSON."""
    return json.dumps(asdict(report))


class Shown:
    """Progress: a line that is written over on a terminal, else a line now and then."""

    def __init__(self) -> None:
        """Begin."""
        self._next = time.monotonic() + TOLD_EVERY

    def __call__(self, text: str) -> None:
        """Show how far it has come."""
        if sys.stderr.isatty():
            print(f"\r{text}\x1b[K", end="", file=sys.stderr, flush=True)
        elif time.monotonic() > self._next:
            print(f"... {text}", file=sys.stderr, flush=True)
            self._next = time.monotonic() + SHOWN_EVERY


def plain(text: str) -> str:
    """Text that does no harm to a terminal."""
    return re.sub(r"[^\x20-\x7e\n]", "?", text)

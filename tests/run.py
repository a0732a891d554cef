"""Run every suite and end with a line for each: what `make test` and `make check` call.

Usage: tests/run.py [fast]      `fast` leaves out what needs a machine or a browser.

Two suites run at a time; Lighthouse comes last and alone.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from lab.providers.vagrant import VagrantProvider

ROOT = Path(__file__).resolve().parent.parent
LOGS = ROOT / ".lab" / "test"
BIN = Path(sys.executable).parent
TAIL = 40
"""Lines of a failed suite's output that are shown at the end, where one looks; the whole of it lies in `LOGS`."""


@dataclass(frozen=True, slots=True)
class Suite:
    """A command and what it proves. Several commands of one suite run until the first that fails."""

    name: str
    proves: str
    commands: Sequence[Sequence[str]]
    minutes: float = 10
    folder: Path = ROOT

    @property
    def junit(self) -> Path:
        """Where pytest writes its counts."""
        return LOGS / f"{self.name}.xml"

    @property
    def log(self) -> Path:
        """Where what it prints goes."""
        return LOGS / f"{self.name}.log"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a suite ended: exit code, how many of its tests passed and failed, and the seconds it took."""

    suite: Suite
    code: int
    passed: int
    failed: int
    seconds: float


def pytest(name: str, proves: str, *arguments: str, minutes: float = 10) -> Suite:
    """A suite of pytest's."""
    report = f"--junit-xml={LOGS / name}.xml"
    return Suite(name, proves, [["python", "-m", "pytest", "-q", report, *arguments]], minutes)


def lab(name: str, provider: str) -> list[str]:
    """The start of a command on a lab."""
    return ["python", "-m", "lab", "--lab", name, "--provider", provider]


# `make book` itself, then the check on its lab: what was found the same, with nothing changed since, runs but once.
# Where the processor helps, `make book` takes a virtual machine, and the container has its own turn.
MAKE_BOOK = ("make", "--no-print-directory", "book")
VIRTUAL = VagrantProvider.usable() and VagrantProvider.accelerated()
BOOK = lab("test-container" if VIRTUAL else "book", "container")
MACHINE = lab("test-vagrant", "vagrant")
META1 = ROOT / "lab" / "meta1"
LIGHTHOUSE = "tests/site/test_site_lighthouse.py"
OWN_SUITES = ("--ignore=tests/site", "--ignore=tests/meta1", "--ignore=tests/bundle")
# fmt: off
FAST = (
    Suite("style", "ruff finds nothing, in code and notebooks",
          [["ruff", "check", "."], ["ruff", "format", "--check", "."]]),
    Suite("types", "mypy --strict finds nothing", [["mypy"]]),
    Suite("meta1-style", "ruff and mypy find nothing in MeTA1",
          [["ruff", "check", "."], ["mypy"]], folder=META1),
    Suite("spelling", "codespell finds nothing", [["codespell"]]),
    Suite("canonical", "notebooks are in the form that git compares well",
          [["python", "-m", "lab", "drift", "--canonical", "--check"]]),
    pytest("unit", "each part alone, and SSH against a real sshd",
           "tests", "-m", "not lab and not vm and not classroom", *OWN_SUITES),
)
# What takes longest begins first. All sixteen chapters on the emulated machine: lab --provider vagrant drift --force
FULL = (
    Suite("notebooks-vm", "those up to a running MeTA1 print the same on the Vagrant VM",
          [[*MACHINE, "down"],
           [*MACHINE, "drift", "--force", "--out", str(LOGS / "notebooks-vm"), *map(str, range(1, 10))],
           [*MACHINE, "down"]], minutes=45),
    *FAST,
    pytest("meta1", "MeTA1 builds, checks, installs and delivers on a lab machine", "tests/meta1",
           minutes=35),
    Suite("notebooks", "make book: they print in the container what is stored; checks and the comparison can fail",
          [MAKE_BOOK, [*BOOK, "drift"], [*BOOK, "drift", "--prove"],
           [*BOOK, "bench", "mutations", "--last", "10"]], minutes=20),
    pytest("site", "the site builds without a warning and is right in a browser", "tests/site",
           f"--ignore={LIGHTHOUSE}", minutes=25),
    pytest("vm", "the Vagrant provider, for real", "tests", "-m", "vm", *OWN_SUITES, minutes=20),
    pytest("container", "the container provider and the lab commands, for real",
           "tests", "-m", "lab", *OWN_SUITES, minutes=15),
    pytest("class", "a class for real: trainees' machines, and what none can reach (as root)",
           "tests", "-m", "classroom", *OWN_SUITES, minutes=20),
    pytest("bundle", "what one stick holds is enough to install and start everything without a net",
           "tests/bundle", minutes=25),
)
# When nothing else is at work any more: a page is as slow as the machine is busy.
ALONE = (
    pytest("lighthouse", "pages have their points on a phone and a slow net", LIGHTHOUSE),
)
# fmt: on


def main(which: str = "all") -> int:
    """Run the suites, print a summary line for each and the total; 1 if any failed."""
    LOGS.mkdir(parents=True, exist_ok=True)
    if which == "fast":
        results = [run(suite) for suite in FAST]
    else:
        with ThreadPoolExecutor(2) as pool:
            results = list(pool.map(run, FULL))
        results += [run(suite) for suite in ALONE]
    for suite in (each.suite for each in results if each.code):
        print(f"\n== {suite.name}, its last lines; all of them: {suite.log}")
        print("\n".join(suite.log.read_text(errors="replace").splitlines()[-TAIL:]))
    print()
    for each in results:
        print(
            f"{'ok    ' if each.code == 0 else 'FAILED'} {each.suite.name:<13} {each.passed:>4} passed "
            f"{each.failed:>3} failed {each.seconds:>6.1f} s   {each.suite.proves}"
        )
    total_failed = sum(each.failed for each in results)
    print(f"{sum(each.passed for each in results)} passed, {total_failed} failed")
    return 1 if total_failed else 0


def run(suite: Suite) -> Outcome:
    """Run one suite."""
    print(f"-- {suite.name}: {suite.proves}", flush=True)
    began = time.monotonic()
    suite.junit.unlink(missing_ok=True)
    code = 0
    with suite.log.open("w") as out:
        for command in suite.commands:
            code = one(command, suite, out.fileno())
            if code:
                break
    passed, failed = counts(suite, code)
    seconds = time.monotonic() - began
    print(f"-- {suite.name}: {passed} passed, {failed} failed, {seconds:.0f} s", flush=True)
    return Outcome(suite, code, passed, failed, seconds)


def one(command: Sequence[str], suite: Suite, out: int) -> int:
    """Run one command of a suite; 124 if it had to be ended."""
    own = BIN / command[0]
    argv = [str(own) if own.exists() else command[0], *command[1:]]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    try:
        return subprocess.run(
            argv,
            cwd=suite.folder,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env=env,
            timeout=suite.minutes * 60,
            check=False,
        ).returncode
    except subprocess.TimeoutExpired:
        os.write(out, f"\nended after {suite.minutes} minutes: {' '.join(command)}\n".encode())
        return 124


def counts(suite: Suite, code: int) -> tuple[int, int]:
    """Passed and failed of a suite: pytest's own counts, where there are any, else the suite as one.

    A test that was skipped counts as failed: nothing is left out silently.
    """
    if not suite.junit.exists():
        return (0, 1) if code else (1, 0)
    total = bad = 0
    for case in ET.parse(suite.junit).iter("testsuite"):
        total += int(case.get("tests", 0))
        bad += sum(int(case.get(kind, 0)) for kind in ("failures", "errors", "skipped"))
    return total - bad, max(bad, 1 if code else 0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))

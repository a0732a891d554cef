"""``make check``: run the test groups side by side and say in a line each how they did.

A group is a folder of tests or one file at the top. The whole output is in build/check/; what
failed is shown, and every test that could not be run is named with its reason.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

TREE = Path(__file__).resolve().parent.parent
LOGS = TREE / "build" / "check"
TIMEOUT = 900
NO_TESTS = 5
"""Exit status of pytest when there is nothing to run."""


@dataclass(frozen=True)
class Outcome:
    """How a group did."""

    group: str
    status: int
    seconds: float
    counts: dict[str, int]
    skipped: dict[str, int]

    def __str__(self) -> str:
        mark = "ok  " if self.status in (0, NO_TESTS) else "FAIL"
        counts = ", ".join(f"{number} {word}" for word, number in self.counts.items())
        return f"{mark}  {self.group:<24} {self.seconds:6.1f} s  {counts or 'no result'}"


def groups(wanted: list[str]) -> list[Path]:
    """What to run: all groups, those that take long first, or what was asked for."""
    if wanted:
        return [TREE / each for each in wanted]
    found = [each for each in (TREE / "tests").iterdir() if list(_tests(each))]
    return sorted(found, key=lambda each: (not each.is_file(), each.name))


def _tests(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from path.rglob("test_*.py")
    elif path.match("test_*.py"):
        yield path


def run(path: Path) -> Outcome:
    """Run one group in a process of its own."""
    name = path.relative_to(TREE).with_suffix("").as_posix()
    group = name.removeprefix("tests/")
    source = TREE / "build" / "lib"
    path_to = f"{source if source.is_dir() else TREE / 'src'}:{TREE / 'tests'}"
    environment = os.environ | {
        "PYTHONPATH": path_to,
        "PYTHONDONTWRITEBYTECODE": "1",
        "HYPOTHESIS_STORAGE_DIRECTORY": str(LOGS / "hypothesis"),
    }
    command = [sys.executable, "-m", "pytest", "-q", "-rsfE", "-o", "pythonpath=", str(path)]
    begin = time.monotonic()
    try:
        done = subprocess.run(
            command, cwd=TREE, env=environment, capture_output=True, text=True, timeout=TIMEOUT,
            check=False,
        )  # fmt: skip
        status, output = done.returncode, done.stdout + done.stderr
    except subprocess.TimeoutExpired as late:
        output = (late.stdout or b"").decode(errors="replace")
        status, output = 1, output + f"\nnot done within {TIMEOUT} seconds\n"
    (LOGS / f"{group.replace('/', '-')}.log").write_text(output)
    return Outcome(
        group, status, time.monotonic() - begin, _counts(output),
        _skipped(output),
    )  # fmt: skip


def _counts(output: str) -> dict[str, int]:
    last = output.rstrip().rpartition("\n")[2]
    pairs = re.findall(r"(\d+) (passed|failed|errors?|skipped|xfailed|deselected)", last)
    return {word: int(number) for number, word in pairs}


def _skipped(output: str) -> dict[str, int]:
    """Reasons why tests were not run, each with their number."""
    found: dict[str, int] = {}
    for number, reason in re.findall(r"^SKIPPED \[(\d+)\] \S+: (.*)$", output, re.MULTILINE):
        found[reason] = found.get(reason, 0) + int(number)
    return found


def main(wanted: list[str]) -> int:
    """Run the groups; the status is 0 only if every test that ran has passed."""
    LOGS.mkdir(parents=True, exist_ok=True)
    begin = time.monotonic()
    outcomes: list[Outcome] = []
    with ThreadPoolExecutor(max_workers=1 + (os.cpu_count() or 1)) as pool:
        # One more than processors: several groups wait for time-outs most of their time.
        for outcome in pool.map(run, groups(wanted)):
            print(outcome, flush=True)
            outcomes.append(outcome)
    bad = [each for each in outcomes if each.status not in (0, NO_TESTS)]
    for each in bad:
        log = LOGS / f"{each.group.replace('/', '-')}.log"
        print(f"\n---- {each.group}, from {log}:\n{log.read_text()[-6000:]}")
    for each in outcomes:
        for reason, number in each.skipped.items():
            print(f"not run: {number} of {each.group}: {reason}")
    print(_summary(outcomes, time.monotonic() - begin))
    return 1 if bad or not outcomes else 0


def _summary(outcomes: list[Outcome], seconds: float) -> str:
    total: dict[str, int] = {}
    for each in outcomes:
        for word, number in each.counts.items():
            total[word] = total.get(word, 0) + number
    failed = total.get("failed", 0) + total.get("error", 0) + total.get("errors", 0)
    parts = [f"{total.get('passed', 0)} passed", f"{failed} failed"]
    parts += [f"{total['skipped']} not run"] if "skipped" in total else []
    return f"make check: {', '.join(parts)}, {seconds:.1f} seconds"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

"""``make check`` and ``make check-all``: run the tests and say of each group in a line how it did.

A group is a folder of tests or one file at the top. ``make check`` shows that this build works on
this machine; it leaves out what is marked `whole`: tests that start whole servers over and over,
and those of the source tree itself. The output is in build/check/; what failed is shown, and every
test that could not be run is named with its reason.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

TREE = Path(__file__).resolve().parent.parent
LOGS = TREE / "build" / "check"
TIMEOUT = 1800
SHARES = 2
"""Processes the groups are dealt out to: starting one costs more than most groups take."""
NO_TESTS = 5
"""Exit status of pytest when there is nothing to run."""
RESULT = re.compile(r"^(tests/\S+?)::.* (PASSED|FAILED|ERROR|SKIPPED)\b[^\]]*\[ *\d+%\]$")
WORDS = {"PASSED": "passed", "FAILED": "failed", "ERROR": "failed", "SKIPPED": "not run"}


@dataclass
class Share:
    """The groups that one process ran: how the tests of each ended, and how the process did."""

    number: int
    status: int = 0
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    not_run: list[str] = field(default_factory=list)

    @property
    def log(self) -> Path:
        """All that pytest has said."""
        return LOGS / f"check-{self.number}.log"


def groups() -> list[Path]:
    """All groups, those that take long first."""
    found = [each for each in (TREE / "tests").iterdir() if list(_tests(each))]
    slow = ("smtps", "smtpc", "fuzz", "test_mcp.py", "test_build.py")
    return sorted(found, key=lambda each: (each.name not in slow, each.name))


def _tests(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from path.rglob("test_*.py")
    elif path.match("test_*.py"):
        yield path


def group_of(path: str) -> str:
    """The group that a test file belongs to: ``tests/smtp/test_reply.py`` is of ``smtp``."""
    return Path(path).parts[1].removesuffix(".py")


def run(number: int, paths: Iterable[Path], options: list[str]) -> Share:
    """Run one share of the groups in a process of its own, with a line for each group."""
    share = Share(number)
    source = TREE / "build" / "lib"
    environment = os.environ | {
        "PYTHONPATH": f"{source if source.is_dir() else TREE / 'src'}:{TREE / 'tests'}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "HYPOTHESIS_STORAGE_DIRECTORY": str(LOGS / "hypothesis"),
    }
    pytest = [sys.executable, "-m", "pytest", "-v", "-rsfE", "--no-header", "-o", "pythonpath="]
    with share.log.open("w") as log, subprocess.Popen(
        ["timeout", str(TIMEOUT), *pytest, *options, *map(str, paths)], cwd=TREE, env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as process:  # fmt: skip
        assert process.stdout
        read(process.stdout, share, log.write)
    share.status = process.returncode
    return share


def read(lines: Iterable[str], share: Share, keep: Callable[[str], object]) -> None:
    """Count the results of a share as they come, and print each group when the next one begins."""
    current = ""
    begin = time.monotonic()
    for line in lines:
        keep(line)
        if line.startswith("SKIPPED ["):
            share.not_run.append(line.partition("] ")[2].strip())
        if not (found := RESULT.match(line)):
            continue
        if (group := group_of(found[1])) != current:
            _tell(share, current, begin)
            current, begin = group, time.monotonic()
        share.counts.setdefault(group, Counter())[WORDS[found[2]]] += 1
    _tell(share, current, begin)


def _tell(share: Share, group: str, begin: float) -> None:
    if group:
        counts = share.counts[group]
        mark = "FAIL" if counts["failed"] else "ok  "
        said = ", ".join(f"{number} {word}" for word, number in counts.items() if number)
        print(f"{mark}  {group:<18} {time.monotonic() - begin:6.1f} s  {said}", flush=True)


def main(wanted: list[str]) -> int:
    """Run the groups; the status is 0 only if every test that ran has passed."""
    everything = "--all" in wanted
    paths = [TREE / each for each in wanted if each != "--all"]
    options = [] if everything or paths else ["-m", "not whole and not system"]
    os.environ.setdefault("META1_HYPOTHESIS", "quick" if options else "check")
    paths = paths or groups()
    LOGS.mkdir(parents=True, exist_ok=True)
    begin = time.monotonic()
    dealt = [paths[number::SHARES] for number in range(SHARES)]
    with ThreadPoolExecutor(max_workers=SHARES) as pool:
        started = [pool.submit(run, n, part, options) for n, part in enumerate(dealt) if part]
        shares = [each.result() for each in started]
    bad = [share for share in shares if share.status not in (0, NO_TESTS)]
    for share in bad:
        print(f"\n---- from {share.log}:\n{_complaint(share.log.read_text())}")
    for reason, number in Counter(_reason(line) for s in shares for line in s.not_run).items():
        print(f"not run: {number}: {reason}")
    print(
        _summary("make check-all" if everything else "make check", shares, time.monotonic() - begin)
    )
    return 1 if bad else 0


def _complaint(log: str) -> str:
    """What pytest says of the tests that failed, or its last words."""
    _, _, failures = log.partition("= FAILURES =")
    return (failures or log)[-6000:]


def _reason(line: str) -> str:
    return line.partition(": ")[2]


def _summary(what: str, shares: list[Share], seconds: float) -> str:
    total = sum((counts for share in shares for counts in share.counts.values()), Counter[str]())
    parts = [f"{total['passed']} passed", f"{total['failed']} failed"]
    parts += [f"{total['not run']} not run"] if total["not run"] else []
    return f"{what}: {', '.join(parts)}, {seconds:.1f} seconds"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

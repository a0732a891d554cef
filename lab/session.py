"""A lab at work on the tutorial: where each chapter starts, how to be there, and whether a chapter is done.

The end of every chapter is kept as a checkpoint, named by a hash of all that made it. So nothing is done twice,
and a checkpoint made by something that has changed since is never used.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from lab.chapters import Chapter, Check, chapter, chapters
from lab.drift.history import Machine
from lab.drift.notebooks import code_key
from lab.errors import CheckFailed, CommandFailed, LabError
from lab.host import Host
from lab.inputs import chapter_hash, package_hash, used_files
from lab.lab import FRESH, Lab
from lab.machine.image import recipe_hash
from lab.providers.base import Progress
from lab.show import ALLOWED

# Versions that a reader asks for; what is not installed yet is left out.
VERSIONS = """
echo "Debian $(cat /etc/debian_version)"
dpkg-query --show --showformat '${db:Status-Abbrev}\t${Package} ${Version}\n' cyrus-imapd openssl python3 |
    sed --quiet 's/^ii *\t//p'
! test -x /usr/local/sbin/mcp || /usr/local/sbin/mcp -V | sed --quiet '1s/.*MeTA1\\./MeTA1 /p'
"""


class Session:
    """The tutorial on one lab; what `lab.drift` needs of a lab, and what reset, goto and solve are made of."""

    def __init__(self, lab: Lab, progress: Progress) -> None:
        self._lab = lab
        self._progress = progress
        self._saved: set[str] | None = None

    def key(self, notebook: Path) -> str:
        """Hash of everything that makes the state at the end of that notebook; needs no lab."""
        digest = hashlib.sha256(f"{self._lab.machine()} {recipe_hash()} {package_hash()}".encode())
        for each in chapters():
            own = (code_key(each.notebook), each.made_of, chapter_hash(each.notebook))
            digest.update(" ".join(own).encode())
            if each.notebook == notebook:
                break
        return f"end-{notebook.stem[:2]}-{digest.hexdigest()[:12]}"

    def has(self, key: str) -> bool:
        """The state with that key is saved."""
        return key in self._names()

    def environment(self, notebook: Path) -> dict[str, str]:
        """Its kernel may read no other file of `lab/files` than those its key covers."""
        return {ALLOWED: "\n".join(sorted(used_files(notebook)))}

    def enter(self, notebook: Path) -> None:
        """Put the machine, made if there is none, into the state in which that notebook starts."""
        self._lab.up(self._progress)
        self._lab.restore(self._start(chapter(notebook.stem)))

    def leave(self, notebook: Path) -> None:
        """Save the machine as the end of that notebook, in place of an older end of it."""
        key = self.key(notebook)
        self._lab.save(key)
        prefix = key.rsplit("-", 1)[0]
        older = {name for name in self._names() if name.startswith(f"{prefix}-")} - {key}
        for name in older:
            self._lab.forget(name)
        self._saved = (self._names() - older) | {key}

    def machine(self) -> Machine:
        """What the running machine is, in its own words. Raises `NotUp`."""
        lines = self._lab.host.run(VERSIONS).stdout.splitlines()
        versions = dict(line.split(" ", 1) for line in lines if " " in line)
        return Machine(self._lab.machine(), recipe_hash(), versions)

    def _names(self) -> set[str]:
        """Saved states, asked for once: while we work on a lab nobody else does."""
        if self._saved is None:
            running = self._lab.status().state == "running"
            self._saved = set(self._lab.names()) if running else set()
        return self._saved

    def goto(self, target: Chapter) -> None:
        """Be where a chapter starts; earlier chapters run where their end is not saved."""
        self._lab.up(self._progress)
        before = [c for c in chapters() if c.number < target.number]
        missing: list[Chapter] = []
        while before and not self.has(self.key(before[-1].notebook)):
            missing.insert(0, before.pop())
        self._lab.restore(self.key(before[-1].notebook) if before else FRESH)
        for each in missing:
            self.solve(each)
            self.leave(each.notebook)

    def solve(self, target: Chapter) -> None:
        """Run a chapter's notebook on the machine as it stands. Raises `LabError` naming the cell that failed."""
        self._lab.up(self._progress)
        with environment(LAB_NAME=self._lab.name):
            asyncio.run(_run(target.notebook, self._progress, self.environment(target.notebook)))

    def solve_exercise(self, target: Chapter) -> None:
        """Do a chapter's exercise as its page does, in silence. Raises `CommandFailed`."""
        solution = target.exercise.task.solution
        self._lab.host.script(solution, on_output=None)

    def finish(self, target: Chapter) -> None:
        """Be at a chapter's end, from its checkpoint or by doing it."""
        key = self.key(target.notebook)
        if self.has(key):
            self._lab.restore(key)
        else:
            self.goto(target)
            self.solve(target)

    def _start(self, target: Chapter) -> str:
        before = [c for c in chapters() if c.number < target.number]
        return self.key(before[-1].notebook) if before else FRESH


async def _run(notebook: Path, progress: Progress, variables: Mapping[str, str]) -> None:
    """Run a notebook in a kernel of its own. Raises `LabError` naming the cell that failed."""
    from lab.drift.execute import Kernel  # loads Jupyter, which few commands need
    from lab.drift.page import parse

    def started(number: int, line: str, seconds: float | None) -> None:
        if seconds is None:
            progress(f"{notebook.stem}, cell {number}: {line}")

    page = parse(notebook)
    kernel = await Kernel.start(notebook.parent)
    try:
        done = await kernel.execute(page, started, variables)
    finally:
        await kernel.close()
    if done.failure:
        cell = page.cells[done.failure.index]
        raise LabError(
            f"{notebook.name}, cell {cell.id!r}: {done.failure.ename}: {done.failure.evalue}",
            "open the notebook and run it cell by cell: make run",
        )


def run_checks(host: Host, checks: Iterable[Check]) -> Iterator[tuple[Check, CheckFailed | None]]:
    """Ask checks, in order, each with the failure it found or None."""
    for each in checks:
        yield each, each.ask(host)


def prove(lab: Lab, progress: Progress, which: Iterable[Chapter]) -> Iterator[tuple[Chapter, str]]:
    """Show that the checks of chapters can fail; yields what is not so.

    A chapter's checks pass at its end. That of its exercise fails there, and passes once the solution of the page is
    done, which breaks none of the others. All fail after a reset, which is where the chapter starts.
    """
    session = Session(lab, progress)
    for each in which:
        exercise = each.exercise.check
        moments: tuple[tuple[str, Callable[[Chapter], None], Sequence[Check], bool], ...] = (
            ("after it", session.finish, each.checks, True),
            ("before its exercise", lambda _: None, [exercise], False),
            ("after its exercise", session.solve_exercise, [*each.checks, exercise], True),
            ("after a reset", session.goto, [*each.checks, exercise], False),
        )
        for moment, go, checks, wanted in moments:
            progress(f"{each.name}: the checks {moment}")
            try:
                go(each)
            except CommandFailed as error:  # of a solution: the exercise's check fails as well
                yield each, error.message
            for check, failure in run_checks(lab.host, checks):
                if (failure is None) is not wanted:
                    found = f": {failure.found}" if failure else ""
                    yield each, f"{check.what!r} {'fails' if wanted else 'passes'} {moment}{found}"


def relay(stream: socket.socket) -> None:
    """Join standard input and output to a stream until either side ends."""

    def up() -> None:
        with contextlib.suppress(OSError):
            while data := os.read(sys.stdin.fileno(), 1 << 16):
                stream.sendall(data)
            stream.shutdown(socket.SHUT_WR)

    threading.Thread(target=up, daemon=True).start()
    with contextlib.suppress(OSError):
        while data := stream.recv(1 << 16):
            os.write(sys.stdout.fileno(), data)


@contextlib.contextmanager
def environment(**values: str) -> Iterator[None]:
    """Set variables for the processes that are started meanwhile."""
    old = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in old.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value

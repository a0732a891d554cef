"""Puts the lab where each notebook starts, runs it, judges, stores and tells.

Notebooks run in order on one lab, each from the state in which the one before it ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from nbformat import NotebookNode

from lab.drift.canonical import write
from lab.drift.execute import Execution, Kernels
from lab.drift.judge import judge, own_rules, updated
from lab.drift.notebooks import runnable
from lab.drift.outcome import (
    DONE,
    CellFinished,
    CellStarted,
    NotebookFinished,
    NotebookResult,
    NotebookStarted,
    Preparing,
)
from lab.drift.page import read
from lab.drift.plan import Go, Job, Skip
from lab.drift.stamps import Stamp
from lab.errors import LabError, NoLab, NoProvider, NotUp

NO_LAB = {error.__name__ for error in (NoLab, NoProvider, NotUp)}


def drive(job: Job, steps: Sequence[Skip | Go]) -> tuple[list[NotebookResult], LabError | None]:
    """Go through the steps; the results so far, and the error that ended it early, if one did.

    All notebooks that run are read first: a flaw in one of them is raised before any runs.
    """
    driver = _Driver(job, [step for step in steps if isinstance(step, Go)])
    try:
        asyncio.run(driver.drive(steps))
    except LabError as error:
        return driver.results, error
    return driver.results, None


class _Driver:
    """One run in progress: what is still to come, what was found, where the lab is."""

    def __init__(self, job: Job, coming: list[Go]) -> None:
        self.results: list[NotebookResult] = []
        self._job = job
        self._coming = coming
        self._total = len(coming)
        self._pages = {step.path: _page(step.path, job) for step in coming}
        self._at: Path | None = None  # the lab is in the end state of this notebook

    async def drive(self, steps: Sequence[Skip | Go]) -> None:
        """Go through the steps."""
        async with Kernels() as kernels:
            for step in steps:
                if isinstance(step, Skip):
                    self._finish(step.result)
                    continue
                self._coming.remove(step)
                kernels.prepare(step.path.parent)
                if await self._enter(step):
                    await self._conclude(step, await self._execute(step, kernels))
                else:
                    self._finish(_blocked(step))

    async def _enter(self, step: Go) -> bool:
        """Put the lab where the notebook starts; False if the one before it failed to make that."""
        lab = self._job.lab
        if step.before and self._at == step.before:
            return True
        if step.before and not lab.has(lab.key(step.before)):
            return False
        self._job.progress(Preparing(step.path.stem))
        await asyncio.to_thread(lab.enter, step.path)
        return True

    async def _execute(self, step: Go, kernels: Kernels) -> Execution:
        """Run a copy of the notebook, with the next kernel starting meanwhile."""
        name, notebook = step.path.stem, deepcopy(self._pages[step.path])
        cells = len(runnable(notebook.cells))

        def on_cell(cell: int, line: str, seconds: float | None) -> None:
            if seconds is None:
                self._job.progress(CellStarted(name, cell, cells, line))
            else:
                self._job.progress(CellFinished(name, cell, cells, line, seconds))

        self._at = None
        self._job.progress(NotebookStarted(name, self._total - len(self._coming), self._total))
        kernel = await kernels.take(step.path.parent)
        if self._coming:
            kernels.prepare(self._coming[0].path.parent)
        try:
            environment = self._job.lab.environment(step.path)
            return await kernel.execute(notebook, on_cell, environment)
        finally:
            await kernels.retire(kernel)

    async def _conclude(self, step: Go, execution: Execution) -> None:
        """Judge a run, store what is to be stored, and tell."""
        name, failure = step.path.stem, execution.failure
        if failure and failure.ename in NO_LAB and len(execution.seconds) == 1:
            raise NoLab(failure.evalue)
        job, page = self._job, self._pages[step.path]
        result = judge(name, page, execution, job.rules)
        if result.status == "drift" and job.update and step.wanted:
            write(step.path, updated(name, page, execution, job.rules))
            masked = any(cell.too_masked for cell in result.cells)
            result = result if masked else replace(result, status="updated")
        if result.wrong:
            write(job.out / "executed" / step.path.name, execution.notebook)
        self._stamp(step.path, result)
        self._finish(result)
        if result.status in DONE:
            self._at = step.path
            if not job.lab.has(job.lab.key(step.path)):
                await asyncio.to_thread(job.lab.leave, step.path)

    def _stamp(self, path: Path, result: NotebookResult) -> None:
        if result.status not in ("same", "updated"):
            self._job.stamps.drop(path.stem)
            return
        checked = datetime.now(UTC).isoformat(timespec="seconds")
        figures = (result.seconds, result.masked, result.total, result.hits)
        self._job.stamps.put(path.stem, Stamp(self._job.key(path), checked, *figures))

    def _finish(self, result: NotebookResult) -> None:
        self.results.append(result)
        self._job.progress(NotebookFinished(result))


def _page(path: Path, job: Job) -> NotebookNode:
    """The stored notebook; what it asks for is tried out, so that a flaw shows now."""
    page = read(path, needs_outputs=not job.update)
    own_rules(path.stem, page, job.rules)
    return page


def _blocked(step: Go) -> NotebookResult:
    before = step.before.stem if step.before else "nothing"
    message = f"not run: it starts where {before} ends, which failed"
    return NotebookResult(step.path.stem, "blocked", message=message)

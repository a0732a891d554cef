"""The drift check as the command line calls it: decide what runs, have it run, report.

Light to load: with nothing to run, the answer is there in a fraction of a second.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from time import perf_counter

from lab.drift import report
from lab.drift.notebooks import pick
from lab.drift.outcome import DONE, NotebookFinished, NotebookResult, Outcome, Progress, quiet
from lab.drift.plan import Go, Job, LabSession, Skip, plan
from lab.drift.rules import RULES, load
from lab.drift.stamps import Stamps
from lab.errors import LabError

__all__ = ["LabSession", "Outcome", "run"]


def run(
    notebooks: Sequence[Path],
    *,
    lab: LabSession,
    out: Path,
    update: bool = False,
    only: Iterable[str] | None = None,
    force: bool = False,
    progress: Progress = quiet,
    rules: Path = RULES,
) -> Outcome:
    """Check the notebooks, given in their order, and write the reports into the folder `out`.

    `only` names those to check; others run only where one of these needs it. `update` stores what
    drifted, `force` also runs what has not changed. A flaw in what was asked (`BadNotebook`,
    `UnknownName`, a bad rule) is raised before anything runs; what goes wrong with the lab later
    is in the outcome.
    """
    began = perf_counter()
    stamps = Stamps(out / "stamps.json")
    job = Job(lab, out, load(rules), rules, stamps, update, force, progress)
    wanted = set(notebooks if only is None else pick(notebooks, only))
    results, error = _results(job, plan(notebooks, wanted, job))
    done = {result.name for result in results if result.status in DONE}
    outcome = Outcome(
        tuple(results),
        rules=tuple(job.rules.names),
        seconds=perf_counter() - began,
        complete=not error and done == {path.stem for path in notebooks},
        error=str(error or ""),
        error_code=error.exit_code if error else 0,
    )
    report.write(outcome, out)
    return outcome


def _results(job: Job, steps: list[Skip | Go]) -> tuple[list[NotebookResult], LabError | None]:
    """What became of each step, and the error that ended the run early, if one did."""
    shutil.rmtree(job.out / "executed", ignore_errors=True)
    if any(isinstance(step, Go) for step in steps):
        from lab.drift.drive import drive  # over a second to load

        return drive(job, steps)
    results = [step.result for step in steps if isinstance(step, Skip)]
    for result in results:
        job.progress(NotebookFinished(result))
    return results, None

"""Commands that keep the book true: the drift check, what this host has, what things cost."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from pathlib import Path

import click
from rich.markup import escape

from lab.chapters import Chapter, chapter, chapters
from lab.cli.base import as_json, emit, main, with_lab
from lab.config import ROOT, state_dir
from lab.console import err, out, working
from lab.drift.outcome import Outcome
from lab.lab import PROVIDERS, Lab, automatic
from lab.session import Session, prove


@main.command()
@with_lab
@click.argument("names", metavar="[CHAPTER]...", nargs=-1)
@click.option(
    "--update",
    is_flag=True,
    help="Store what drifted; an output that says the same keeps its bytes.",
)
@click.option(
    "--force", is_flag=True, help="Also run what has not changed since it was last found the same."
)
@click.option(
    "--record",
    "to_record",
    is_flag=True,
    help="Also add the run to book/history.jsonl, from which the pages tell when they were last verified.",
)
@click.option(
    "--prove",
    "prove_checks",
    is_flag=True,
    help="Instead: prove that checks and exercises fail before they are done and pass after.",
)
@click.option(
    "--canonical",
    is_flag=True,
    help="Instead: bring the notebooks into their stored form; needs no lab.",
)
@click.option(
    "--check",
    "only_look",
    is_flag=True,
    help="With --canonical: change nothing, list what is wrong.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for reports.  [default: .lab/drift]",
)
@as_json
def drift(
    lab: Lab,
    names: tuple[str, ...],
    update: bool,
    force: bool,
    to_record: bool,
    prove_checks: bool,
    canonical: bool,
    only_look: bool,
    out: Path | None,
    json_: bool,
) -> None:
    """Run the notebooks on the lab and compare what they print with what is stored.

    Reports are written as junit.xml, report.json and summary.md. A notebook that was found the same, and of
    which nothing has changed since, is not run again.
    """
    chosen = [chapter(name) for name in names] or list(chapters())
    if canonical:
        sys.exit(drift_form(chosen, only_look))
    if prove_checks:
        sys.exit(drift_proof(lab, chosen))
    from lab.drift import report
    from lab.drift.progress import shown
    from lab.drift.run import run as check_all

    os.environ["LAB_NAME"] = lab.name  # the notebooks' kernels ask it
    session = Session(lab, lambda step: err.print(escape(step)))
    with shown(err) as progress:
        outcome = check_all(
            [c.notebook for c in chapters()],
            only=[c.name for c in chosen] if names else None,
            lab=session,
            out=out or state_dir() / "drift" / lab.name,
            update=update,
            force=force,
            progress=progress,
        )
    click.echo(report.as_json(outcome) if json_ else report.text(outcome))
    if to_record:
        drift_record(session, outcome)
    if lab.status().state == "running":
        err.print(f"lab {lab.name} is up; `lab --lab {lab.name} down` removes it")
    sys.exit(outcome.exit_code)


def drift_record(session: Session, outcome: Outcome) -> None:
    """Keep what became of each chapter that ran. Raises `LabError` if none did."""
    from lab.bench.results import commit
    from lab.drift import history

    run = history.run_of(outcome, session.machine(), commit())
    history.record(run)
    history.BADGE.write_text(drift_badge())
    err.print(f"recorded {len(run.chapters)} chapters in {history.PATH.relative_to(ROOT)}")


def drift_badge() -> str:
    """SVG of what the recorded runs say of the chapters that there are now."""
    from lab.drift import history
    from lab.pictures.badge import badge

    return badge("drift check", *history.state([c.name for c in chapters()], history.load()))


def drift_form(chosen: list[Chapter], only_look: bool) -> int:
    """Bring notebooks into their stored form, or list what keeps them from it; draw the badge anew."""
    from lab.drift import history
    from lab.drift.canonical import advice, canonicalise
    from lab.drift.canonical import canonical as problems

    found = []
    if not only_look and history.BADGE.read_text() != drift_badge():
        history.BADGE.write_text(drift_badge())
        out.print("badge: drawn anew from the recorded runs")
    for each in chosen:
        if not only_look and canonicalise(each.notebook):
            out.print(f"{each.name}: rewritten")
        found += [
            f"{each.name}: {line}" for line in [*problems(each.notebook), *advice(each.notebook)]
        ]
    for line in found:
        out.print(escape(line))
    return 1 if found else 0


def drift_proof(lab: Lab, chosen: list[Chapter]) -> int:
    """Prove the chapters' checks and exercises."""
    with working(f"lab {lab.name}") as progress:
        found = list(prove(lab, progress, chosen))
    for each, what in found:
        out.print(f"{each.name}: {escape(what)}")
    count = sum(len(c.checks) for c in chosen)
    out.print(
        f"{len(found)} wrong among {count} checks and {len(chosen)} exercises of {len(chosen)} chapters, "
        "each asked after it is done, and after a reset to where it starts"
    )
    return 1 if found else 0


@main.command()
@as_json
def doctor(json_: bool) -> None:
    """What each provider needs on this host, what is missing, and the command that mends it."""
    findings = {name: found for name, kind in PROVIDERS.items() if (found := kind.doctor())}
    if json_:
        emit({name: [asdict(f) for f in found] for name, found in findings.items()})
    else:
        for name, found in findings.items():
            out.print(f"[bold]{name}[/]")
            for f in found:
                out.print(
                    f"  {'[green]ok  [/]' if f.ok else '[red]no  [/]'} {escape(f.what)}"
                    + ("" if f.ok else f"\n       {escape(f.mend)}")
                )
    choice = automatic()
    if not json_:
        out.print(f"`lab up` would take: {choice}")

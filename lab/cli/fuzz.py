"""`lab bench fuzz`: feed hostile input to all that MeTA1 reads from others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from lab.cli.base import with_lab
from lab.cli.bench import bench
from lab.console import out, working
from lab.errors import CheckFailed, UnknownName
from lab.lab import Lab

if TYPE_CHECKING:
    from lab.bench.fuzz import Report, Target


@bench.command("fuzz")
@click.option("--target", "names", multiple=True, help="Only this one; may be repeated.")
@click.option("--runs", type=int, help="Inputs for each target.  [default: those of its full form]")
@click.option("--seconds", type=float, help="Stop each target after so long.")
@click.option("--short", is_flag=True, help="The short form, as in make check-all of MeTA1.")
@click.option("--processes", type=int, help="For each target.  [default: as many as processors]")
@click.option("--side-by-side", default=1, show_default=True, help="Targets at a time.")
@click.option("--seed", default=1, show_default=True, help="Another one gives other inputs.")
@click.option("--store", is_flag=True, help="Store what was counted as the figures of the book.")
@click.option("--more", is_flag=True, help="Store it beside what is stored: a run in pieces.")
@click.option("--list", "list_", is_flag=True, help="Name the targets.")
@with_lab
def fuzz(
    lab: Lab,
    names: tuple[str, ...],
    runs: int | None,
    seconds: float | None,
    short: bool,
    processes: int | None,
    side_by_side: int,
    seed: int,
    store: bool,
    more: bool,
    list_: bool,
) -> None:
    """Feed hostile input to MeTA1 on the machine: SMTP, replies, frames, maps, DNS, files.

    Each finding is printed with the command that repeats it; then the exit code is 1. A long run may come in pieces:
    `--store` begins anew with a target, `--store --more` with another seed adds to it.
    """
    from lab.bench import fuzz as part
    from lab.bench import fuzz_figures as figures

    found = 0
    with working("bench fuzz") as progress:
        host = lab.up(progress)
        progress("the sources of MeTA1")
        targets = {each.name: each for each in part.prepared(host)}
        if list_:
            out.print("\n".join(f"{each.name:<14} {each.feeds}" for each in targets.values()))
            return
        chosen = _chosen(names, targets)
        if store and more:
            figures.require_other(chosen, seed)
        amount = part.Amount(runs, seconds, short, processes)
        for report in part.run_all(host, chosen, amount, seed, progress, side_by_side):
            if store:
                figures.store(list(targets.values()), report, more)
            _tell(report)
            found += len(report.findings)
    if found:
        raise CheckFailed("nothing is found", "that", "see above")


def _chosen(names: Sequence[str], targets: Mapping[str, Target]) -> list[Target]:
    """The targets of these names, or all. Raises `UnknownName`."""
    for name in names:
        if name not in targets:
            raise UnknownName("target", name, list(targets))
    return [targets[each] for each in names] or list(targets.values())


def _tell(report: Report) -> None:
    """One line, and each finding with the command that repeats it."""
    from lab.bench.fuzz import FOLDER

    out.print(
        f"{report.target:<14} {report.runs:>9} inputs {report.seconds:>7.1f} s "
        f"{report.rate:>7.0f}/s {report.growth / 2**20:>6.1f} MiB "
        f"{len(report.findings):>3} findings"
    )
    for each in report.findings:
        out.print(f"  {each['error']}", markup=False, highlight=False)
        again = f"--target {report.target} --seed {each['seed']} --run {each['run']}"
        out.print(f"  again, in ~/{FOLDER} on the machine: python3 -m fuzz {again}")

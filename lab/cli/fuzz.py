"""`lab bench fuzz`: feed hostile input to all that MeTA1 reads from others."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from lab.cli.base import with_lab
from lab.cli.bench import bench
from lab.console import out, working
from lab.errors import CheckFailed, UnknownName
from lab.lab import Lab


@bench.command("fuzz")
@click.option("--target", "names", multiple=True, help="Only this one; may be repeated.")
@click.option("--runs", type=int, help="Inputs for each target.  [default: those of its full form]")
@click.option("--seconds", type=float, help="Stop each target after so long.")
@click.option("--short", is_flag=True, help="The short form, as in make check-all of MeTA1.")
@click.option("--processes", type=int, help="For each target.  [default: as many as processors]")
@click.option("--side-by-side", default=1, show_default=True, help="Targets at a time.")
@click.option("--seed", default=1, show_default=True, help="Another one gives other inputs.")
@click.option("--store", is_flag=True, help="Store what was counted as the figures of the book.")
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
    list_: bool,
) -> None:
    """Feed hostile input to MeTA1 on the machine: SMTP, replies, frames, maps, DNS, files.

    Each finding is printed with the command that repeats it; then the exit code is 1.
    """
    from lab.bench import fuzz as part

    found = False
    with working("bench fuzz") as progress:
        host = lab.up(progress)
        progress("the sources of MeTA1")
        targets = {each.name: each for each in part.prepared(host)}
        if list_:
            out.print("\n".join(f"{each.name:<14} {each.feeds}" for each in targets.values()))
            return
        for name in names:
            if name not in targets:
                raise UnknownName("target", name, list(targets))
        chosen = [targets[each] for each in names] or list(targets.values())
        command = "lab bench fuzz " + " ".join(sys.argv[sys.argv.index("fuzz") + 1 :])

        def keep(reports: Sequence[part.Report]) -> None:
            if store:
                part.store(list(targets.values()), reports, command.strip())

        amount = part.Amount(runs, seconds, short, processes)
        for report in part.run_all(host, chosen, amount, seed, progress, keep, side_by_side):
            out.print(
                f"{report.target:<14} {report.runs:>9} inputs {report.seconds:>7.1f} s "
                f"{report.rate:>7.0f}/s {report.growth / part.MIB:>6.1f} MiB "
                f"{len(report.findings):>3} findings"
            )
            for each in report.findings:
                found = True
                out.print(f"  {each['error']}", markup=False, highlight=False)
                again = f"--target {report.target} --seed {each['seed']} --run {each['run']}"
                out.print(f"  again, in ~/{part.FOLDER} on the machine: python3 -m fuzz {again}")
    if found:
        raise CheckFailed("nothing is found", "that", "see above")

"""`lab bench faults`: do harm to MeTA1 under load, and account for every message."""

from __future__ import annotations

import random

import click

from lab.cli.base import with_lab
from lab.cli.bench import bench
from lab.console import out, working
from lab.errors import CheckFailed, UnknownName
from lab.lab import Lab


@bench.command("faults")
@click.argument("names", nargs=-1, metavar="[FAULT]...")
@click.option("--times", default=5, help="How often each fault strikes.", show_default=True)
@click.option("--seed", type=int, help="Repeat a run.  [default: a new one, which is printed]")
@click.option("--install/--no-install", default=True, help="Build and install MeTA1 first.")
@click.option("--keep", is_flag=True, help="Keep what is found, for --store.")
@click.option("--store", is_flag=True, help="Store what was kept as the figures of the book.")
@click.option("--list", "list_", is_flag=True, help="Name the faults.")
@click.option(
    "--prove", is_flag=True, help="Let a MeTA1 that does not sync be noticed by power cuts."
)
@with_lab
def faults(
    lab: Lab,
    names: tuple[str, ...],
    times: int,
    seed: int | None,
    install: bool,
    keep: bool,
    store: bool,
    list_: bool,
    prove: bool,
) -> None:
    """Kill, stop, starve and cut off MeTA1 under load; an outside ledger judges.

    Without a name all faults that this kind of machine can have: the power of a virtual machine only. `--store`
    makes the figures of the book from all that was kept.
    """
    from lab.bench.faults import report
    from lab.bench.faults.ground import Ground, prepared
    from lab.bench.faults.proof import unsynced_is_noticed
    from lab.bench.faults.series import run
    from lab.bench.faults.strikes import FAULTS

    known = {each.name: each for each in FAULTS}
    if list_:
        out.print("\n".join(f"{each.name:<22} {each.done}" for each in FAULTS))
        return
    if store:
        out.print(report.store(report.kept()))
        return
    for name in names:
        if name not in known:
            raise UnknownName("fault", name, list(known))
    seed = random.SystemRandom().randrange(10**6) if seed is None else seed
    chosen = [known[each] for each in names] or [f for f in FAULTS if lab.machine() in f.machines]
    with working("bench faults") as progress:
        ground = prepared(lab, progress) if install else Ground(lab)
        if prove:
            out.print(unsynced_is_noticed(ground, times, seed, progress))
            return
        for fault in chosen:
            found = run(ground, [fault], times, seed, progress)
            if keep:
                report.keep(found)
            out.print(
                f"{fault.name}, {times} times, seed {seed}: {found.account.taken} taken, "
                f"{len(found.account.lost)} lost, {found.account.duplicates} duplicates"
            )
            if not found.account.clean:
                raise CheckFailed(
                    "no mail is lost, damaged or invented", "that", str(found.account)
                )

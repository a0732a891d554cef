"""`lab bench faults`: do harm to MeTA1 under load, and account for every message."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from lab.cli.base import with_lab
from lab.cli.bench import bench
from lab.console import out, working
from lab.errors import CheckFailed, UnknownName
from lab.lab import Lab

if TYPE_CHECKING:
    from lab.bench.faults.series import Series
    from lab.bench.faults.strikes import Fault


@bench.command("faults")
@click.argument("names", nargs=-1, metavar="[FAULT]...")
@click.option("--times", default=5, help="How often each fault strikes.", show_default=True)
@click.option("--seed", type=int, help="Repeat a run.  [default: a new one, which is printed]")
@click.option("--install/--no-install", default=True, help="Build and install MeTA1 first.")
@click.option("--keep", is_flag=True, help="Keep what is found, for --store.")
@click.option("--store", is_flag=True, help="Add what was kept to the figures of the book.")
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
    adds all that was kept to the series that are stored, each once, and makes the figures of the book from all.
    """
    from lab.bench.faults import proof, report
    from lab.bench.faults.ground import Ground, prepared
    from lab.bench.faults.series import run

    if list_ or store:
        out.print(_listed() if list_ else report.store(report.kept()))
        return
    chosen = _chosen(names, lab)
    seed = random.SystemRandom().randrange(10**6) if seed is None else seed
    with working("bench faults") as progress:
        ground = prepared(lab, progress) if install else Ground(lab)
        if prove:
            out.print(proof.unsynced_is_noticed(ground, times, seed, progress))
            return
        for fault in chosen:
            found = run(ground, [fault], times, seed, progress)
            if keep:
                report.keep(found)
            _judge(found)


def _listed() -> str:
    """All faults, a line each."""
    from lab.bench.faults.strikes import FAULTS

    return "\n".join(f"{each.name:<22} {each.done}" for each in FAULTS)


def _chosen(names: Sequence[str], lab: Lab) -> list[Fault]:
    """The faults of these names, or all that the machine can have. Raises `UnknownName`."""
    from lab.bench.faults.strikes import FAULTS

    known = {each.name: each for each in FAULTS}
    for name in names:
        if name not in known:
            raise UnknownName("fault", name, list(known))
    return [known[each] for each in names] or [f for f in FAULTS if lab.machine() in f.machines]


def _judge(found: Series) -> None:
    """Say what a series has found. Raises `CheckFailed` if its account is not clean."""
    account = found.account
    out.print(
        f"{found.fault}, {found.times} times, seed {found.seed}: {account.taken} taken, "
        f"{len(account.lost)} lost, {account.duplicates} duplicates"
    )
    if not account.clean:
        raise CheckFailed("no mail is lost, damaged or invented", "that", str(account))

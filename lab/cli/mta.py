"""`lab bench mta`: MeTA1 beside other mail servers."""

from __future__ import annotations

import shlex
from dataclasses import asdict

import click

from lab.cli.base import emit, with_lab
from lab.cli.bench import bench
from lab.console import working
from lab.lab import Lab

PARTS = ("table", "cyrus", "growth", "others")


@bench.command()
@click.option("--store", is_flag=True, help="Keep the figures in lab/bench/results, for the book.")
@click.argument("part", type=click.Choice(list(PARTS)), default="table")
@click.argument("arguments", nargs=-1)
@with_lab
def mta(lab: Lab, store: bool, part: str, arguments: tuple[str, ...]) -> None:
    """MeTA1 and Postfix in turns on one machine: rates, CPU, memory, latency.

    \b
    table     into a sink, by sessions, size and kind of connection
    cyrus     the same into a real Cyrus
    growth    what 1,000 to 100,000 messages in the queue cost
    others    rates of Exim, which is far from either

    ARGUMENTS behind -- are for the program on the machine, for example: -- --rounds 1 --sessions 50 --kib 1
    """
    from lab.bench.mta import RUNS, measure, ready
    from lab.bench.mta_figures import figures
    from lab.bench.results import store as keep

    with working("bench mta") as progress:
        ready(lab, progress)
        records = [
            record
            for words in RUNS[part]
            for record in measure(lab.host, [*words.split(), *arguments], progress)
        ]
    found = figures(part, records)
    if store:
        command = shlex.join(["lab", "bench", "mta", part, *["--"][: len(arguments)], *arguments])
        keep(found.name, command, tables=found.tables, charts=found.charts, facts=found.facts)
    emit({name: asdict(table) for name, table in found.tables.items()} | {"facts": found.facts})

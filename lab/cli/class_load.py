"""`lab bench class`: what a class of each size needs, and how long it takes."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from lab.cli.base import emit
from lab.cli.bench import bench
from lab.config import state_dir
from lab.console import working
from lab.errors import LabError


def _sizes(_: click.Context, __: click.Parameter, value: str) -> list[int]:
    try:
        sizes = [int(word) for word in value.split(",")]
    except ValueError as error:
        raise click.BadParameter("numbers with commas between, e.g. 1,5,10") from error
    if not sizes or not all(0 < size <= 200 for size in sizes):
        raise click.BadParameter("each class has 1 to 200 trainees")
    return sizes


@bench.command("class")
@click.option("--trainees", "sizes", default="1,2", show_default=True, callback=_sizes,
              help="Sizes of the classes, one after the other.")  # fmt: skip
@click.option("--chapters", type=click.IntRange(1), help="Only so many; nothing of that is stored.")
@click.option("--kept", is_flag=True, help="Run nothing; show what earlier runs have left.")
@click.option("--store", is_flag=True, help="Keep the figures in lab/bench/results, for the book.")
def classroom(sizes: list[int], chapters: int | None, kept: bool, store: bool) -> None:
    """Bring classes up, and let all trainees do the whole tutorial at the same time, each in their own server.

    Every trainee logs in through the proxy and does each chapter and its checks by the lab panel. Records are kept
    in `class-bench.jsonl` of the state folder: `--store` also takes those of other sizes from there, the last of each,
    and a column names the commit of each.
    Needs root, and a host with nothing else to do.
    """
    from lab.bench import results
    from lab.bench.classroom import figures
    from lab.bench.classroom.run import from_dict, measure

    file_of_records = state_dir() / "class-bench.jsonl"
    for size in [] if kept else sizes:
        with working("bench class") as progress:
            found = measure([size], progress, chapters)
        if chapters:
            emit([asdict(each) for each in found])
            continue
        with file_of_records.open("a") as file:
            file.writelines(json.dumps(asdict(each)) + "\n" for each in found)
    if chapters:
        return
    if not file_of_records.exists():
        raise LabError("no run has left a record", "lab bench class --trainees 1,2")
    records = [from_dict(json.loads(line)) for line in file_of_records.read_text().splitlines()]
    tables, facts = figures.tables(records), figures.facts(records)
    emit(
        {name: {"columns": t.columns, "rows": t.rows} for name, t in tables.items()}
        | {"facts": facts}
    )
    failed = [text for each in figures.in_order(records) for text in each.failed]
    if failed:
        raise LabError(
            "not all was green: " + "; ".join(failed), "lab class up, and look at it there"
        )
    if store:
        command = f"lab bench class --trainees {','.join(str(r.trainees) for r in figures.in_order(records))}"
        results.store("class", command, tables=tables, charts=figures.charts(records), facts=facts)

"""What series of faults have found, kept one by one, and made into the tables that are stored and shown."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from lab.bench import results
from lab.bench.faults.ledger import Step
from lab.bench.faults.series import Series
from lab.bench.results import Cell, Table
from lab.config import state_dir
from lab.pictures.chart import Chart

NAME = "faults"
MACHINES = {"container": "container", "vagrant": "virtual machine"}
Record = Mapping[str, Any]


def folder() -> Path:
    """Where the series of a full run are kept until they are stored together."""
    return state_dir() / "bench-faults"


def keep(series: Series) -> Path:
    """Keep one series, with the commit it was run with."""
    folder().mkdir(exist_ok=True)
    path = folder() / f"{time.time():.0f}-{series.fault.replace(' ', '-')}.json"
    record = asdict(series) | {"commit": results.commit()}
    path.write_text(json.dumps(record, indent=1) + "\n")
    return path


def kept() -> list[Record]:
    """All series that were kept, oldest first."""
    return [json.loads(path.read_text()) for path in sorted(folder().glob("*.json"))]


def store(records: Sequence[Record]) -> Path:
    """Store the figures of all of them."""
    return results.store(
        NAME,
        "lab bench faults",
        tables=tables(records),
        charts={"again": again(records)},
        facts=facts(records),
    )


def tables(records: Sequence[Record]) -> dict[str, Table]:
    """One table for each question: what was done, what became of it, what the duplicates are."""
    return {
        "lost": Table(
            "What was done, and what became of the mail",
            (
                "Fault",
                "Machine",
                "Times",
                "Taken",
                "Lost",
                "Returned",
                "Duplicates",
                "No 250, yet arrived",
            ),
            [_row(name, machine, group) for (name, machine), group in grouped(records)],
        ),
        "again": Table(
            "Seconds from the end of a fault until mail was taken again",
            ("Fault", "Machine", "Median", "Longest"),
            [_seconds(name, machine, group) for (name, machine), group in grouped(records)],
        ),
        "duplicates": Table(
            "What the duplicates are",
            ("How far the first copy had come", "Copies"),
            [(str(step), count) for step, count in steps(records).most_common()],
        ),
        "seeds": Table(
            "Each series can be run again by its seed",
            ("Fault", "Machine", "Times", "Seed", "Commit"),
            [
                (
                    each["fault"],
                    MACHINES[each["machine"]],
                    each["times"],
                    str(each["seed"]),
                    each["commit"],
                )
                for each in records
            ],
        ),
    }


def facts(records: Sequence[Record]) -> dict[str, Cell]:
    """Single figures for the prose."""
    kills = [each for each in records if each["group"] == "kill"]
    cuts = [each for each in records if each["group"] == "power"]
    others = [each for each in records if each["group"] not in ("kill", "power")]
    found: dict[str, Cell] = {
        "kills": times(kills),
        "cuts": times(cuts),
        "others": times(others),
        "taken": sum(each["account"]["taken"] for each in records),
        "lost": sum(len(each["account"]["lost"]) for each in records),
        "damaged": sum(len(each["account"]["damaged"]) for each in records),
        "duplicates": sum(duplicates(each) for each in records),
    }
    for name, group in (("kill", kills), ("cut", cuts)):
        if group:
            found[f"duplicates_per_{name}"] = sum(map(duplicates, group)) / times(group)
    return found


def again(records: Sequence[Record]) -> Chart:
    """How soon mail is taken again after a process was killed."""
    kills = [(name, group) for (name, _), group in grouped(records) if name.startswith("kill ")]
    seconds = [[s for each in group for s in each["seconds"]] for _, group in kills]
    return Chart(
        "Seconds until mail is taken again after a kill",
        "process",
        "seconds",
        [name.removeprefix("kill ") for name, _ in kills],
        {"median": [median(one) for one in seconds], "longest": [max(one) for one in seconds]},
    )


def grouped(records: Iterable[Record]) -> list[tuple[tuple[str, str], list[Record]]]:
    """Series of the same fault on the same kind of machine, in the order in which they first come."""
    found: dict[tuple[str, str], list[Record]] = {}
    for each in records:
        found.setdefault((each["fault"], each["machine"]), []).append(each)
    return list(found.items())


def times(records: Iterable[Record]) -> int:
    """Count the faults of some series."""
    return sum(each["times"] for each in records)


def duplicates(record: Record) -> int:
    """Count the copies beyond the first of one series."""
    return sum(record["account"]["doubled"].values())


def steps(records: Iterable[Record]) -> Counter[Step]:
    """What the duplicates of all series are."""
    found = Counter[Step]()
    for each in records:
        found.update({Step(step): count for step, count in each["steps"].items()})
    return found


def _row(name: str, machine: str, group: Sequence[Record]) -> list[Cell]:
    accounts = [each["account"] for each in group]
    return [
        name,
        MACHINES[machine],
        times(group),
        sum(each["taken"] for each in accounts),
        sum(len(each["lost"]) for each in accounts),
        sum(len(each["returned"]) for each in accounts),
        sum(map(duplicates, group)),
        sum(len(each["unasked"]) for each in accounts),
    ]


def _seconds(name: str, machine: str, group: Sequence[Record]) -> list[Cell]:
    seconds = [second for each in group for second in each["seconds"]]
    return [name, MACHINES[machine], median(seconds), max(seconds)]

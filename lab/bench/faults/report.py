"""What series of faults have found, kept one by one, and made into the tables that are stored and shown.

A run of all takes hours, so it is made in pieces. What is stored has each series of its own, with date, commit and
seed, and a new store adds to them: totals are sums of what can be read there.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
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
COUNTS = ("taken", "lost", "damaged", "returned", "duplicates", "unasked")
Record = Mapping[str, Any]
"""One series: fault, group, machine, `at`, commit, seed, times, the `COUNTS`, `seconds` (one for each time) and
`steps`. Of the first day only sums are known: `median` and `longest` of a fault stand in its first series of that
day, and the steps of all in the day's first."""


def folder() -> Path:
    """Where the series of a run are kept until they are stored."""
    return state_dir() / "bench-faults"


def keep(series: Series) -> Path:
    """Keep one series whole, with the commit it was run with."""
    folder().mkdir(exist_ok=True)
    path = folder() / f"{time.time():.0f}-{series.fault.replace(' ', '-')}.json"
    record = asdict(series) | {"commit": results.commit()}
    path.write_text(json.dumps(record, indent=1) + "\n")
    return path


def kept() -> list[Record]:
    """All series that were kept, oldest first."""
    return [_summary(path) for path in sorted(folder().glob("*.json"))]


def _summary(path: Path) -> Record:
    """What is stored of one: counts instead of the names of messages."""
    whole = json.loads(path.read_text())
    account = whole["account"]
    at = datetime.fromtimestamp(int(path.name.partition("-")[0]), UTC)
    names = ("fault", "group", "machine", "commit", "seed", "times", "steps")
    return {
        **{name: whole[name] for name in names},
        "at": f"{at:%Y-%m-%d %H:%M:%S}",
        "seconds": [round(each, 3) for each in whole["seconds"]],
        "taken": account["taken"],
        "duplicates": sum(account["doubled"].values()),
        **{name: len(account[name]) for name in ("lost", "damaged", "returned", "unasked")},
    }


def stored() -> list[Record]:
    """The series that are stored; none if nothing is."""
    return list(results.load(NAME).series) if results.path_of(NAME).exists() else []


def added(old: Iterable[Record], new: Iterable[Record]) -> list[Record]:
    """All series, each once, oldest first."""
    found = {(each["fault"], each["at"], each["seed"]): each for each in (*old, *new)}
    return sorted(found.values(), key=lambda each: str(each["at"]))


def store(records: Sequence[Record]) -> Path:
    """Store these series beside those that are stored, and the figures of all of them."""
    everything = added(stored(), records)
    return results.store(
        NAME,
        "lab bench faults",
        tables=tables(everything),
        charts={"again": again(everything)},
        facts=facts(everything),
        series=everything,
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
            ("Fault", "Machine", "Day", "Times", "Median", "Longest"),
            [
                [name, MACHINES[machine], day, times(group), *spread(group)]
                for (name, machine), of_fault in grouped(records)
                for day, group in _days(of_fault)
            ],
        ),
        "duplicates": Table(
            "What the duplicates are",
            ("How far the first copy had come", "Copies"),
            [(str(step), count) for step, count in steps(records).most_common()],
        ),
        "seeds": Table(
            "Each series, which can be run again by its seed",
            ("Fault", "Machine", "Day", "Times", "Taken", "Lost", "Duplicates", "Seed", "Commit"),
            [_series(each) for each in records],
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
        **{name: _sum(records, name) for name in ("taken", "lost", "damaged", "duplicates")},
    }
    for name, group in (("kill", kills), ("cut", cuts)):
        if group:
            found[f"duplicates_per_{name}"] = _sum(group, "duplicates") / times(group)
    return found


def again(records: Sequence[Record]) -> Chart:
    """How soon mail is taken again after a process was killed: the latest day of each."""
    kills = [
        (name.removeprefix("kill "), spread(_days(group)[-1][1]))
        for (name, _), group in grouped(records)
        if name.startswith("kill ")
    ]
    return Chart(
        "Seconds until mail is taken again after a kill",
        "process",
        "seconds",
        [name for name, _ in kills],
        {
            "median": [middle for _, (middle, _) in kills],
            "longest": [longest for _, (_, longest) in kills],
        },
    )


def grouped(records: Iterable[Record]) -> list[tuple[tuple[str, str], list[Record]]]:
    """Series of the same fault on the same kind of machine, in the order in which they first come."""
    found: dict[tuple[str, str], list[Record]] = {}
    for each in records:
        found.setdefault((each["fault"], each["machine"]), []).append(each)
    return list(found.items())


def spread(group: Iterable[Record]) -> tuple[float, float]:
    """Median and longest of the seconds of series of one fault and day."""
    known = list(group)
    seconds = [second for each in known for second in each["seconds"]]
    if seconds:
        return median(seconds), max(seconds)
    (told,) = [each for each in known if "median" in each]
    return told["median"], told["longest"]


def times(records: Iterable[Record]) -> int:
    """Count the faults of some series."""
    return sum(each["times"] for each in records)


def steps(records: Iterable[Record]) -> Counter[Step]:
    """What the duplicates of all series are."""
    found = Counter[Step]()
    for each in records:
        found.update({Step(step): count for step, count in each["steps"].items()})
    return found


def _days(group: Iterable[Record]) -> list[tuple[str, list[Record]]]:
    found: dict[str, list[Record]] = {}
    for each in group:
        found.setdefault(each["at"][:10], []).append(each)
    return list(found.items())


def _sum(records: Iterable[Record], name: str) -> int:
    return sum(each[name] for each in records)


def _row(name: str, machine: str, group: Sequence[Record]) -> list[Cell]:
    shown = ("taken", "lost", "returned", "duplicates", "unasked")
    return [name, MACHINES[machine], times(group), *(_sum(group, each) for each in shown)]


def _series(each: Record) -> list[Cell]:
    shown = (each[name] for name in ("times", "taken", "lost", "duplicates"))
    day = each["at"][:10]
    return [
        each["fault"],
        MACHINES[each["machine"]],
        day,
        *shown,
        str(each["seed"]),
        each["commit"],
    ]

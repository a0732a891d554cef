"""Tables, charts and single figures of `lab bench class`, from its records. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lab.bench.classroom.run import Record
from lab.bench.results import Cell, Table
from lab.pictures.chart import Chart


def in_order(records: Sequence[Record]) -> list[Record]:
    """The last record of each size, the smallest class first."""
    return [each for _, each in sorted({each.trainees: each for each in records}.items())]


def tables(records: Sequence[Record]) -> dict[str, Table]:
    """Times of each class, and what one trainee uses in it."""
    found = in_order(records)
    return {"times": _times(found), "memory": _memory(found), "work": _work(found)}


def _times(found: Sequence[Record]) -> Table:
    one = next((each.tutorial for each in found if each.trainees == 1), None)
    rows: list[Sequence[Cell]] = [
        [
            each.trainees,
            round(each.up, 1),
            round(each.servers, 1),
            round(each.tutorial, 1),
            round(each.tutorial / one, 2) if one else None,
            round(each.tutorial / (one * each.trainees), 2) if one else None,
            each.green,
            len(each.failed),
            each.commit,
        ]
        for each in found
    ]
    return Table(
        "A class that does the whole tutorial at the same time, each trainee in a server and on a machine of "
        "their own; seconds",
        ("trainees", "class up", "all servers and machines up", "all chapters done by all", "against one trainee",
         "of as many one after the other", "chapters done and checked", "failed", "commit"),
        rows,
    )  # fmt: skip


def _memory(found: Sequence[Record]) -> Table:
    rows: list[Sequence[Cell]] = [
        [
            each.trainees,
            round(each.sandbox_memory),
            round(each.machine_memory),
            round(each.services_memory),
            round(each.whole_memory),
        ]
        for each in found
    ]
    return Table(
        "Memory at most, in MiB: of one trainee's JupyterLab and machine, of hub, proxy and broker together, "
        "and of all",
        ("trainees", "JupyterLab", "machine", "hub, proxy, broker", "the whole class"),
        rows,
    )


def _work(found: Sequence[Record]) -> Table:
    rows: list[Sequence[Cell]] = [
        [
            each.trainees,
            round(each.home_disk),
            round(each.machine_disk),
            round(each.sandbox_cpu),
            round(each.machine_cpu),
        ]
        for each in found
    ]
    return Table(
        "What else one trainee uses: disk at the end in MiB, and seconds of processors",
        (
            "trainees",
            "home, disk",
            "machine, disk",
            "JupyterLab, processors",
            "machine, processors",
        ),
        rows,
    )


def charts(records: Sequence[Record]) -> dict[str, Chart]:
    """Time and memory by the size of the class."""
    found = in_order(records)
    ticks = [str(each.trainees) for each in found]
    one = next((each.tutorial for each in found if each.trainees == 1), None)
    minutes: dict[str, Sequence[float | None]] = {
        "all at the same time": [round(each.tutorial / 60, 2) for each in found]
    }
    if one:
        minutes["one after the other"] = [round(one * each.trainees / 60, 2) for each in found]
    return {
        "times": Chart(
            "The whole tutorial, done by a class", "trainees", "minutes until all have done it", ticks,
            minutes, kind="lines",
        ),
        "memory": Chart(
            "Memory of a whole class at work", "trainees", "GiB at most", ticks,
            {"all together": [round(each.whole_memory / 1024, 2) for each in found]},
        ),
    }  # fmt: skip


def facts(records: Sequence[Record]) -> Mapping[str, Cell]:
    """Single figures for prose, of the largest class."""
    found = in_order(records)
    most = found[-1]
    one = next((each.tutorial for each in found if each.trainees == 1), None)
    return {
        "largest": most.trainees,
        "all_green": "yes" if not any(each.failed for each in found) else "no",
        "largest_minutes": round(most.tutorial / 60, 1),
        "one_minutes": round(one / 60, 1) if one else None,
        "against_one": round(most.tutorial / one, 1) if one else None,
        "servers_up": round(most.servers, 1),
        "sandbox_mib": round(most.sandbox_memory),
        "machine_mib": round(most.machine_memory),
        "services_mib": round(most.services_memory),
        "trainee_mib": round(most.sandbox_memory + most.machine_memory),
        "trainee_disk_mib": round(most.home_disk + most.machine_disk),
        "trainee_cpu_s": round(most.sandbox_cpu + most.machine_cpu),
    }

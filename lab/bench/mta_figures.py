"""Figures of `lab bench mta` from what the machine told: medians, ratios, tables, charts. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from lab.bench.results import Cell, Table
from lab.pictures.chart import Chart

Record = Mapping[str, Any]
OURS, PEER = "meta1", "postfix"
NAMES = {"meta1": "MeTA1", "postfix": "Postfix", "exim": "Exim", "opensmtpd": "OpenSMTPD"}
SETTINGS = "sessions", "KiB", "connection"
REUSE = {False: "new", True: "reused"}
"""A connection for each message, or one for many, as heads of columns."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What is stored of one run."""

    name: str
    tables: Mapping[str, Table]
    charts: Mapping[str, Chart]
    facts: Mapping[str, Cell]


def figures(part: str, records: Sequence[Record]) -> Figures:
    """Make them from the records of `table`, `cyrus` or `growth`."""
    if part == "growth":
        return Figures("queue-growth", {"growth": growth_table(records)}, {}, {})
    found = costs(records)
    if part == "others":
        return Figures("throughput-others", {"rates": _rates(found)}, {}, {})
    others = median(each["others"] for each in _of_kind(records, "burst"))
    name = "throughput" if part == "table" else f"throughput-{part}"
    single = {"others": f"{others:.0%}"}
    return Figures(name, tables(found), charts(found), facts(found) | single)


# ---- the table ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Setting:
    """One kind of load."""

    reuse: bool
    octets: int
    sessions: int


@dataclass(frozen=True, slots=True)
class Cost:
    """The medians of one server under one kind of load; latencies in seconds, `None` where not taken."""

    accepted: float
    delivered: float
    cpu: float
    memory: float
    p50: float | None = None
    p99: float | None = None


Costs = Mapping[Setting, Mapping[str, Cost]]


def costs(records: Iterable[Record]) -> Costs:
    """Medians over the rounds, for each kind of load and each server."""
    rounds: dict[Setting, dict[str, list[Record]]] = {}
    waits: dict[tuple[Setting, str], Record] = {}
    for each in records:
        if each["kind"] not in ("burst", "latency"):
            continue
        setting = Setting(each["reuse"], each["octets"], each["sessions"])
        if each["kind"] == "latency":
            waits[setting, each["server"]] = each
        else:
            rounds.setdefault(setting, {}).setdefault(each["server"], []).append(each)

    def cost(setting: Setting, server: str, bursts: Sequence[Record]) -> Cost:
        accepted, delivered, cpu = (
            median(each[name] for each in bursts) for name in ("accepted", "delivered", "cpu")
        )
        wait = waits.get((setting, server), {})
        memory = max(each["memory"] for each in bursts)
        return Cost(accepted, delivered, cpu, memory, wait.get("p50"), wait.get("p99"))

    return {
        setting: {server: cost(setting, server, bursts) for server, bursts in servers.items()}
        for setting, servers in rounds.items()
    }


def ratios(found: Costs, figure: Callable[[Cost], float]) -> dict[Setting, float]:
    """Ours against the peer's."""
    return {
        setting: figure(servers[OURS]) / figure(servers[PEER])
        for setting, servers in found.items()
        if {OURS, PEER} <= servers.keys()
    }


def tables(found: Costs) -> dict[str, Table]:
    """The ratios of all loads in one table, and one table a figure: a row for each number of sessions and size."""
    figures: dict[str, tuple[str, Callable[[Cost], float | None]]] = {
        "delivered": ("Messages a second from the first connection to the last delivery",
                      lambda cost: cost.delivered),
        "accepted": ("Messages a second answered with 250", lambda cost: cost.accepted),
        "cpu": ("CPU seconds of the mail server per 1000 messages", lambda cost: cost.cpu),
        "memory": ("Most memory at any moment, MiB; what processes share is counted once",
                   lambda cost: cost.memory),
        "p50": ("Milliseconds to the 250 behind the final dot, half within",
                lambda cost: cost.p50 and cost.p50 * 1000),
        "p99": ("Milliseconds to the 250 behind the final dot, 99 of 100 within",
                lambda cost: cost.p99 and cost.p99 * 1000),
    }  # fmt: skip
    made = {
        name: _table(found, caption, figure)
        for name, (caption, figure) in figures.items()
        if any(figure(cost) is not None for servers in found.values() for cost in servers.values())
    }
    if any({OURS, PEER} <= servers.keys() for servers in found.values()):
        made["ratios"] = _ratio_table(found)
    return made


Column = Callable[[Setting], float | None]
"""What a column has for a number of sessions and a size; it looks at its own kind of connection."""


def _table(found: Costs, caption: str, figure: Callable[[Cost], float | None]) -> Table:
    """One figure: a column for each server and kind of connection."""
    servers = sorted({name for each in found.values() for name in each}, key=list(NAMES).index)

    def column(server: str) -> Column:
        def look(setting: Setting) -> float | None:
            cost = found.get(setting, {}).get(server)
            return figure(cost) if cost is not None else None

        return look

    return _pivot(found, caption, {NAMES[server]: column(server) for server in servers})


def _ratio_table(found: Costs) -> Table:
    """How both compare under each load: the figures that the design asks for."""
    parts = {
        "rate": ratios(found, lambda cost: cost.delivered),
        "CPU": ratios(found, lambda cost: cost.cpu),
    }
    return _pivot(
        found,
        "MeTA1 against Postfix: messages delivered a second, where more is better, and CPU time a message, "
        "where less is",
        {name: values.get for name, values in parts.items()},
    )


def _pivot(found: Costs, caption: str, columns: Mapping[str, Column]) -> Table:
    """Rows by size and sessions; each column once for every kind of connection that was measured."""
    reuses = sorted({each.reuse for each in found})
    kinds = sorted({(each.octets, each.sessions) for each in found})
    rows: list[list[Cell]] = [
        [
            f"{sessions}\u00a0×\u00a0{octets // 1024}\u00a0KiB",
            *(
                look(Setting(reuse, octets, sessions))
                for reuse in reuses
                for look in columns.values()
            ),
        ]
        for octets, sessions in kinds
    ]
    heads = [f"{name}, {REUSE[reuse]}" for reuse in reuses for name in columns]
    return Table(caption, ["load", *heads], rows)


def _rates(found: Costs) -> Table:
    """Rates alone: what else a server costs is not known where its processes leave their parents."""
    heads = ["server", *SETTINGS, "accepted a second", "delivered a second"]
    rows: list[list[Cell]] = [
        [NAMES[server], setting.sessions, setting.octets // 1024, _how(setting), *rates]
        for setting, servers in found.items()
        for server, cost in servers.items()
        for rates in [(cost.accepted, cost.delivered)]
    ]
    return Table("Messages a second of another server", heads, rows)


def _how(setting: Setting) -> str:
    return "reused" if setting.reuse else "one a message"


def charts(found: Costs) -> dict[str, Chart]:
    """Delivered messages a second by sessions, for each size; both kinds of connection."""
    drawn: dict[str, Chart] = {}
    for octets in sorted({each.octets for each in found}):
        sessions = sorted({each.sessions for each in found if each.octets == octets})
        series = {
            f"{NAMES[server]}, {'reused' if reuse else 'one a message'}": [
                found[Setting(reuse, octets, count)][server].delivered for count in sessions
            ]
            for server in (OURS, PEER)
            for reuse in sorted({each.reuse for each in found})
        }
        drawn[f"{octets // 1024}k"] = Chart(
            f"Messages of {octets // 1024} KiB delivered a second",
            "sessions at once",
            "messages a second",
            [str(each) for each in sessions],
            series,
        )
    return drawn


def facts(found: Costs) -> dict[str, Cell]:
    """What the design asks for, as single figures."""
    rate = ratios(found, lambda cost: cost.delivered)
    cpu = ratios(found, lambda cost: cost.cpu)
    once = Setting(reuse=False, octets=1024, sessions=50)
    again = Setting(reuse=True, octets=1024, sessions=50)
    others = [value for setting, value in rate.items() if setting not in (once, again)]
    single = [value for setting, value in rate.items() if setting.sessions == 1]
    named: dict[str, float | None] = {
        "new_50": rate.get(once),
        "reused_50": rate.get(again),
        "least": min(others, default=None),
        "least_single": min(single, default=None),
        "cpu_new_50": cpu.get(once),
        "cpu_most": max(cpu.values(), default=None),
        "cpu_many": max((cpu[each] for each in cpu if each.sessions > 1), default=None),
    }
    return {name: round(value, 2) for name, value in named.items() if value is not None}


# ---- the queue ---------------------------------------------------------------------------------


def growth_table(records: Iterable[Record]) -> Table:
    """What so many messages in the queue cost each server."""
    heads = [
        "queued",
        "server",
        "taken a second",
        "KiB a message",
        "restart, s",
        "drain, s",
        "drained a second",
    ]
    rows: list[list[Cell]] = [
        [
            each["queued"],
            NAMES[each["server"]],
            each["accepted"],
            max(0.0, each["memory"] - each["empty_memory"]) * 1024 / each["queued"],
            each["restart"],
            each["drain"],
            each["queued"] / each["drain"],
        ]
        for each in _of_kind(records, "growth")
    ]
    return Table("A queue that grows while its destination is down", heads, rows)


def _of_kind(records: Iterable[Record], kind: str) -> Iterator[Record]:
    return (each for each in records if each["kind"] == kind)

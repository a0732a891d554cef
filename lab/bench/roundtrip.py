"""What our own code costs: a command by `Host.run` against the same by a bare paramiko channel."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import quantiles

import paramiko

from lab.host import Host

COMMAND = "true"


def round_trip(host: Host, calls: int = 500) -> dict[str, float]:
    """Times in milliseconds of both ways, taken in turns on one connection, and their ratios."""
    host.run(COMMAND)
    transport = host.connection.transport()
    ways: dict[str, Callable[[], object]] = {
        "run": lambda: host.run(COMMAND),
        "bare": lambda: _bare(transport),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(calls):
        # The first of a turn may find the machine less awake: each is first in half of them.
        for name in sorted(ways, reverse=bool(turn % 2)):
            start = time.perf_counter()
            ways[name]()
            times[name].append((time.perf_counter() - start) * 1000)
    report = {"calls": float(calls)}
    for name, values in times.items():
        cuts = quantiles(values, n=100, method="inclusive")
        report |= {f"{name}_p50_ms": cuts[49], f"{name}_p99_ms": cuts[98]}
    report["ratio_p50"] = report["run_p50_ms"] / report["bare_p50_ms"]
    report["ratio_p99"] = report["run_p99_ms"] / report["bare_p99_ms"]
    return report


def _bare(transport: paramiko.Transport) -> int:
    """The least that paramiko asks for to run a command and know how it ended."""
    channel = transport.open_session()
    channel.exec_command(COMMAND)
    while channel.recv(65536):
        pass
    code = channel.recv_exit_status()
    channel.close()
    return code

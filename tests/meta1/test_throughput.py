"""The bench of throughput in its short form, MeTA1 and Postfix on the lab machine; the full one is `lab bench mta`."""

from __future__ import annotations

import pytest

from lab.bench.mta import measure, prepare
from lab.bench.mta_figures import costs, ratios
from lab.host import Host
from meta1.conftest import quiet

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]  # the first test has the machine made
SHORT = (
    "--rounds",
    "1",
    "--sessions",
    "1,50",
    "--kib",
    "1",
    "--reuse",
    "no,yes",
    "--scale",
    "0.25",
)
FLOOR, CEILING = 1.2, 0.6
"""Ratios to Postfix that hold on a machine which has other work: messages a second, CPU a message."""


def test_meta1_beside_postfix(vm: Host) -> None:
    """Both deliver every message; with many sessions MeTA1 is the faster one, for less work."""
    prepare(vm, quiet)
    try:
        found = costs(measure(vm, ["table", *SHORT], quiet))
    finally:
        vm.run("mcp.sh start", as_user="root")
    assert len(found) == 4
    for servers in found.values():
        for cost in servers.values():
            assert 20 < cost.delivered <= cost.accepted * 1.01
            assert 0.02 < cost.cpu < 20
            assert 5 < cost.memory < 1000
            assert cost.p50 is not None and cost.p99 is not None
            assert 0.0001 < cost.p50 <= cost.p99 < 5
    rates = ratios(found, lambda cost: cost.delivered)
    assert all(ratio > FLOOR for setting, ratio in rates.items() if setting.sessions == 50), rates
    work = ratios(found, lambda cost: cost.cpu)
    assert all(ratio < CEILING for setting, ratio in work.items() if setting.sessions == 50), work

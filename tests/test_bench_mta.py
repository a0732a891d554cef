"""What becomes of the figures that the machine tells: medians, ratios, tables."""

from __future__ import annotations

from typing import Any

from lab.bench.mta_figures import Setting, costs, figures, ratios, tables

ONCE = Setting(reuse=False, octets=1024, sessions=50)


def burst(server: str, delivered: float, **more: Any) -> dict[str, Any]:
    """A record as the program on the machine prints it."""
    return {
        "kind": "burst",
        "server": server,
        "sessions": 50,
        "octets": 1024,
        "reuse": False,
        "accepted": delivered + 10,
        "delivered": delivered,
        "cpu": 2.0,
        "memory": 50.0,
        "others": 0.1,
        **more,
    }


RECORDS = [
    burst("postfix", 100),
    burst("meta1", 300, cpu=0.5),
    burst("postfix", 900, memory=80.0),
    burst("meta1", 900, cpu=0.5),
    burst("postfix", 200),
    burst("meta1", 600, cpu=0.5),
    {**burst("meta1", 1), "kind": "latency", "p50": 0.01, "p99": 0.05},
]


def test_a_server_is_judged_by_its_median() -> None:
    """One round that met other work does not count; memory is the most of all rounds."""
    found = costs(RECORDS)[ONCE]
    assert found["postfix"].delivered == 200
    assert found["meta1"].delivered == 600
    assert found["postfix"].memory == 80
    assert (found["meta1"].p50, found["postfix"].p50) == (0.01, None)


def test_ratios_are_ours_against_the_peer() -> None:
    """More is better for rates, less for CPU."""
    assert ratios(costs(RECORDS), lambda cost: cost.delivered) == {ONCE: 3.0}
    assert ratios(costs(RECORDS), lambda cost: cost.cpu) == {ONCE: 0.25}


def test_what_is_stored_of_a_table() -> None:
    """Each figure has a table with both servers; the design's figures are facts."""
    made = figures("table", RECORDS)
    assert made.name == "throughput"
    assert made.tables["delivered"].columns == ["load", "MeTA1, new", "Postfix, new"]
    assert made.tables["delivered"].rows == [["50\u00a0×\u00a01\u00a0KiB", 600, 200]]
    assert made.tables["p50"].rows == [["50\u00a0×\u00a01\u00a0KiB", 10.0, None]]
    assert made.tables["ratios"].columns == ["load", "rate, new", "CPU, new"]
    assert made.tables["ratios"].rows == [["50\u00a0×\u00a01\u00a0KiB", 3.0, 0.25]]
    assert made.facts["new_50"] == 3.0
    assert made.facts["cpu_new_50"] == 0.25
    assert made.facts["others"] == "10%"


def test_a_row_has_both_kinds_of_connection() -> None:
    """Rows go by size, then by sessions; what was not measured is a dash, not a wrong place."""
    more = [
        burst("meta1", 50, reuse=True, sessions=1),
        burst("postfix", 25, reuse=True, sessions=1),
        burst("meta1", 7, octets=102400, sessions=1),
    ]
    made = tables(costs([*more, *RECORDS]))
    table = made["delivered"]
    assert table.columns[1:] == ["MeTA1, new", "Postfix, new", "MeTA1, reused", "Postfix, reused"]
    assert table.rows == [
        ["1\u00a0×\u00a01\u00a0KiB", None, None, 50, 25],
        ["50\u00a0×\u00a01\u00a0KiB", 600, 200, None, None],
        ["1\u00a0×\u00a0100\u00a0KiB", 7, None, None, None],
    ]
    assert made["ratios"].rows[0] == ["1\u00a0×\u00a01\u00a0KiB", None, None, 2.0, 1.0]


def test_what_is_stored_of_a_growing_queue() -> None:
    """Memory is told a message, beyond that of the empty server."""
    record = {
        "kind": "growth",
        "server": "meta1",
        "queued": 1024,
        "accepted": 500.0,
        "empty_memory": 100.0,
        "memory": 102.0,
        "restart": 1.5,
        "drain": 2.0,
    }
    table = figures("growth", [record]).tables["growth"]
    assert table.rows == [[1024, "MeTA1", 500.0, 2.0, 1.5, 2.0, 512.0]]

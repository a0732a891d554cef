"""How long a provider takes for what a user waits for: up, save, restore, down."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

from lab.lab import FRESH, Lab
from lab.providers.base import Progress

ROUNDS = 3


def provider_times(lab: Lab, progress: Progress) -> dict[str, float]:
    """Seconds, the median of `ROUNDS`, on a lab of its own made by the lab's provider; image cached."""
    other = Lab("bench", lab.kind())
    other.down()
    times: dict[str, list[float]] = {}

    def measure(name: str, action: Callable[[], object]) -> None:
        progress(name)
        began = time.perf_counter()
        action()
        times.setdefault(f"{name}_s", []).append(time.perf_counter() - began)

    try:
        for turn in range(ROUNDS):
            measure("up_cold", other.up)
            measure("up_again", Lab("bench", lab.kind()).up)
            measure("save", lambda: other.save("bench"))
            measure("restore", lambda: other.restore("bench"))
            measure("reset", lambda: other.restore(FRESH))
            measure("status", other.status)
            measure("down", other.down)
            progress(f"round {turn + 1} of {ROUNDS} done")
    finally:
        other.down()
    return {name: median(values) for name, values in times.items()}

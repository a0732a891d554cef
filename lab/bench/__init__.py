"""Measurements that `lab bench` takes: each a function of a lab that gives named figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lab.bench.mutations import drift_seen
from lab.bench.providers import provider_times
from lab.bench.roundtrip import round_trip
from lab.bench.script import against_script
from lab.lab import Lab
from lab.providers.base import Progress

__all__ = ["BENCHES", "round_trip", "table"]

Figures = Mapping[str, float]


def _round_trip(lab: Lab, progress: Progress) -> Figures:
    host = lab.up(progress)
    progress("500 commands each way")
    return round_trip(host)


BENCHES: Mapping[str, Callable[[Lab, Progress], Figures]] = {
    "run": _round_trip,
    "providers": provider_times,
    "drift": against_script,
    "mutations": drift_seen,
}


def table(figures: Figures) -> str:
    """Figures as lines; the unit is the end of the name."""
    width = max(map(len, figures))
    return "\n".join(f"{name:<{width}}  {value:>9.3f}" for name, value in figures.items())

"""`lab bench WHAT`: measure, each kind of measurement a command of its own with its own options."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import click

from lab.cli.base import as_json, emit, main, with_lab
from lab.console import out, working
from lab.lab import Lab
from lab.providers.base import Progress

Figures = Mapping[str, float]


@main.group()
def bench() -> None:
    """Measure the lab, the drift check, and MeTA1 under load, faults and attack.

    Full runs of what the book shows are stored in lab/bench/results and shown by its pages.
    """


def _plain(name: str, what: str, measure: Callable[[Lab, Progress], Figures]) -> None:
    """Add a measurement without options, whose figures are printed."""

    @with_lab
    @as_json
    def command(lab: Lab, json_: bool) -> None:
        with working(f"bench {name}") as progress:
            figures = measure(lab, progress)
        _tell(figures, json_)

    command.__doc__ = what
    bench.command(name, help=what)(command)


def _tell(figures: Figures, json_: bool) -> None:
    """Print figures as JSON or as lines; the unit is the end of the name."""
    width = max(map(len, figures))
    lines = (f"{name:<{width}}  {value:>9.3f}" for name, value in figures.items())
    emit(figures) if json_ else out.print("\n".join(lines))


def _run(lab: Lab, progress: Progress) -> Figures:
    from lab.bench.roundtrip import round_trip

    host = lab.up(progress)
    progress("500 commands each way")
    return round_trip(host)


def _providers(lab: Lab, progress: Progress) -> Figures:
    from lab.bench.providers import provider_times

    return provider_times(lab, progress)


def _drift(lab: Lab, progress: Progress) -> Figures:
    from lab.bench.script import against_script

    return against_script(lab, progress)


_plain("run", "A command's round trip against a bare SSH channel.", _run)
_plain("providers", "What a user waits for: up, save, restore, reset, down.", _providers)
_plain("drift", "The drift check against the same commands as one plain ssh script.", _drift)


@bench.command()
@click.option(
    "--last",
    type=click.IntRange(9, 16),
    default=16,
    show_default=True,
    help="The last chapter that runs.",
)
@with_lab
@as_json
def mutations(lab: Lab, last: int, json_: bool) -> None:
    """Change MeTA1 on the machine in three ways, and count the cells in which the drift check sees it."""
    from lab.bench.mutations import drift_seen

    with working("bench mutations") as progress:
        figures = drift_seen(lab, progress, last)
    _tell(figures, json_)


def _security(lab: Lab, progress: Progress) -> Figures:
    from lab.bench.security.run import measure

    return measure(lab, progress)


_plain(
    "security",
    "Attack MeTA1 in every known way, then switch off each defence and see the attack work; store the results.",
    _security,
)

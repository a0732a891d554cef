"""`lab bench interop`: MeTA1 with programs of others, feature by feature."""

from __future__ import annotations

import click

from lab.cli.base import with_lab
from lab.cli.bench import bench
from lab.console import out, working
from lab.lab import Lab


@bench.command("interop")
@click.option(
    "--suite", is_flag=True, help="Only the tests of another server; the rest stays as stored."
)
@with_lab
def interop(lab: Lab, suite: bool) -> None:
    """MeTA1 with other clients, mail servers and readers of mailboxes (some ten minutes).

    Begins at the end of chapter 3, installs MeTA1, and stores what it finds for the book. Exit code 1 if something
    does not hold.
    """
    from lab.bench.interop.run import full

    with working("bench interop") as progress:
        wrong = full(lab, progress, programs=not suite)
    for line in wrong:
        out.print(line, markup=False)
    if wrong:
        raise SystemExit(1)

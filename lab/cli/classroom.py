"""`lab class`: a class on this host, one JupyterLab and one lab machine for each trainee."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import click
from rich.markup import escape

from lab.cli.base import Commands, as_json, emit, main
from lab.console import out, seconds, working
from lab.errors import LabError

EXAMPLES = """\b
Examples:
  lab class up --trainees 2                      on this computer alone, to try it
  lab class up --roster people.csv \\
      --listen 0.0.0.0 --name lab.example.org    in a room: https://lab.example.org:8443/
  lab class up --trainees 32                     two more for a class of 30

\b
A roster is CSV, a line each: login, full name.
  ada,Ada Lovelace
  grace,Grace Hopper
"""


@main.group("class", cls=Commands)
def classroom() -> None:
    """Give the tutorial to a class: JupyterLab and a lab machine for each trainee, on this host.

    \b
    lab class up --trainees 30   make it, or add to it      lab class status     who is where
    lab class password ada       a new password for ada     lab class down       remove all of it
    """


@classroom.command(epilog=EXAMPLES)
@click.option(
    "--trainees", type=click.IntRange(1, 900), metavar="N", help="trainee01 to trainee<N>."
)
@click.option("--roster", type=click.Path(path_type=Path), help="Who they are, from a file.")
@click.option(
    "--listen",
    "address",
    metavar="ADDRESS",
    help="Where others reach it; 0.0.0.0 for all.  [default: 127.0.0.1]",
)
@click.option("--port", type=click.IntRange(1, 65535), help="Of that address.  [default: 8443]")
@click.option(
    "--name", "names", multiple=True, metavar="NAME",
    help="Name or address that the certificate is for, and that trainees are told. May be repeated.",
)  # fmt: skip
@click.option("--certificate", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Instead of one made here: PEM, with its chain.")  # fmt: skip
@click.option(
    "--key", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Its key, PEM."
)
@click.option("--idle", "idle_minutes", type=click.IntRange(0), metavar="MINUTES",
              help="End a JupyterLab that nobody used for so long; 0 never.  [default: 60]")  # fmt: skip
@click.option(
    "--prepare/--no-prepare",
    default=None,
    help="Do every chapter once in the background, so that goto and reset are quick for all.  [default: do]",
)
@click.option(
    "--foreground", is_flag=True, help="Stay, for systemd and the like; ends with Ctrl-C."
)
def up(
    trainees: int | None,
    roster: Path | None,
    certificate: Path | None,
    key: Path | None,
    foreground: bool,
    **settings: object,
) -> None:
    """Bring the class up, go on where an `up` was interrupted, or add trainees to a class that is up.

    Needs root and what `make setup-class` installs. Passwords are made here and lie in a file that only root
    can read; whoever is in the class keeps theirs. Nobody is ever taken out: that is what `lab class down` is for.
    """
    from lab.classroom import up as making  # loads much, which few commands need

    if (certificate is None) != (key is None):
        raise LabError(
            "a certificate is of no use without its key", "--certificate FILE --key FILE"
        )
    began = time.monotonic()
    with working("class") as progress:
        wish = making.Wish(_people(trainees, roster), certificate=certificate, key=key, **settings)  # type: ignore[arg-type]
        found = making.up(wish, progress)
    told = making.tell(found)
    out.print(
        f"the class is up: {len(found.trainees)} trainees ({seconds(time.monotonic() - began)})"
    )
    for what, value in told.items():
        out.print(f"  {what:<12} {escape(value)}")
    if foreground:
        sys.exit(making.stay())


def _people(count: int | None, file: Path | None) -> list[object]:
    from lab.classroom import roster

    people = roster.numbered(count) if count else []
    if file:
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise LabError(f"{file}: {error}", roster.FORM) from error
        people += roster.read(text, str(file), [each.name for each in people])
    return list(people)


@classroom.command()
def down() -> None:
    """Remove the class with all homes, machines and records, whatever state it is in."""
    from lab.classroom.down import down as remove

    with working("class") as progress:
        remove(progress)
    out.print("the class is gone")


@classroom.command()
@as_json
def status(json_: bool) -> None:
    """Say what runs: the programs of the class, and each trainee's server and machine. Exit code 3 if it is down."""
    from lab.classroom import overview

    found = overview.status()
    if json_:
        emit(found)
    else:
        out.print(overview.shown(found))
    sys.exit(0 if found["up"] else 3)


@classroom.command()
@click.argument("name")
def password(name: str) -> None:
    """Make a new password for NAME, a trainee or `instructor`; it is put into the file of passwords."""
    from lab.classroom import place
    from lab.classroom.up import reset_password

    if os.geteuid():
        raise LabError("only root can do that", f"sudo .venv/bin/lab class password {name}")
    reset_password(name)
    out.print(f"{escape(name)} has a new password: {escape(str(place.passwords()))}")

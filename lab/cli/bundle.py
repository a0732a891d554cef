"""`lab bundle`: everything on one stick."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from lab.bundle.make import Made, make
from lab.bundle.parts import PARTS, uncommitted
from lab.cli.base import main
from lab.console import err, out, working
from lab.errors import LabError

NAMES = [part.name for part in PARTS]
ROOM_MIB = 4096
"""More than the whole takes with the one part that is there twice while it is made anew."""


@main.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--without",
    multiple=True,
    type=click.Choice(NAMES),
    help="Leave a part out; may be given several times.",
)
def bundle(folder: Path, without: tuple[str, ...]) -> None:
    """Put everything into FOLDER, such as a USB stick: for a room of computers without a net.

    \b
    checkout   the book, its notebooks and the lab      tree   the machine for podman
    wheels     Python packages                          box    the machine for Vagrant and libvirt
    npm        packages of the class's proxy            site   the book to read

    About 2 GiB. What is in the folder and still right is kept, so the same command goes on where it was
    interrupted, and brings an old stick up to date. It holds the commit that is checked out, and packages for
    computers of the same kind as this one. There: sh install.sh ~/mail (INSTALL.txt says the rest).

    \b
    lab bundle /media/stick                  all of it
    lab bundle /media/stick --without box    for computers that have podman
    """
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free >> 20
    if free < ROOM_MIB and not (folder / "bundle.json").exists():
        raise LabError(
            f"{folder} has {free} MiB free; a bundle needs {ROOM_MIB}", "use a larger stick"
        )

    def told(made: Made) -> None:
        how = "as it was" if made.kept else "new"
        out.print(f"{made.part.name:<9} {made.size / 2**20:>7.1f} MiB  {how:<9}  {made.part.what}")

    if uncommitted():
        err.print("changes here that are in no commit will not be on it: git status lists them")
    with working("bundle") as progress:
        size = make(folder, progress, without, told=told)
    out.print(f"{'together':<9} {size / 2**20:>7.1f} MiB  in {folder}; there: sh install.sh ~/mail")

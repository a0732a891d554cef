"""MeTA1 beside other mail servers on one lab machine: how much mail, at what cost, and what a long queue costs.

The measuring itself is done by the programs of lab/meta1/bench on the machine; here is what puts them there.
What becomes of the figures is in `mta_figures`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from lab.bench.foreign import add_user, unpack
from lab.chapters import chapter
from lab.config import ROOT
from lab.host import Host
from lab.lab import Lab
from lab.providers.base import Progress
from lab.session import Session

FOLDER = "/srv/bench"
PROGRAMS = ROOT / "lab" / "meta1" / "bench"
INSTALLED = "09-starting"
"""The chapter at whose start MeTA1 is installed and may deliver to Cyrus."""
RUNS = {
    "table": ["table"],
    "cyrus": ["cyrus --sessions 10,50 --kib 1,10 --reuse no --scale 0.4"],
    # Postfix needs some ten minutes to take and deliver 100,000 messages that wait between.
    "growth": ["growth --queued 1000,10000", "growth --servers meta1 --queued 100000"],
    "others": ["table --servers exim --sessions 1,10,50 --kib 1 --reuse no --scale 0.05 --rates"],
}
"""What is measured, and by which runs of the program on the machine."""
Record = Mapping[str, Any]
"""One thing measured; `kind` says what."""


PEERS = {"postfix": ("postfix", "postdrop"), "exim4-daemon-light": ("Debian-exim",)}
"""Debian's packages, and the accounts that their own scripts would make."""


def ready(lab: Lab, progress: Progress) -> None:
    """Bring a lab to where MeTA1 is installed, and put the bench there."""
    Session(lab, progress).goto(chapter(INSTALLED))
    prepare(lab.host, progress)


def prepare(vm: Host, progress: Progress) -> None:
    """Put the programs and the other servers on a machine that has MeTA1 installed, and stop that."""
    for package, users in PEERS.items():
        unpack(vm, [package], progress)
        for user in users:
            add_user(vm, user)
    for path in PROGRAMS.iterdir():
        if path.is_file():
            vm.put(path, f"{FOLDER}/{path.name}")
    # Whoever delivers to Cyrus is of its socket's group; Postfix lets go of all groups but the first.
    group = "$(stat --format %G /var/imap/socket)"
    vm.run(f"usermod --gid {group} postfix && mcp.sh stop", as_user="root")


def measure(vm: Host, arguments: Sequence[str], progress: Progress) -> list[Record]:
    """Run the programs on the machine; each thing measured is told as it comes. Raises `CommandFailed`."""
    records: list[Record] = []
    rest = ""

    def heard(text: str) -> None:
        nonlocal rest
        *lines, rest = (rest + text).split("\n")
        for line in lines:
            if line.startswith("{"):
                records.append(json.loads(line))
                progress(_words(records[-1]))
            else:
                progress(line)

    vm.stream(
        " ".join(["python3 %s/mta.py", *["%s"] * len(arguments)]),
        FOLDER,
        *arguments,
        as_user="root",
        timeout=1800,
        on_output=heard,
    )
    return records


def _words(record: Record) -> str:
    """Say in a line what has just been measured."""
    skipped = {"kind", "octets", "messages"}
    facts = [
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in record.items()
        if name not in skipped
    ]
    return " ".join(facts)

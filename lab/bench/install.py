"""MeTA1 on a lab machine from this checkout, as the tutorial does it: built by a plain user, installed by root."""

from __future__ import annotations

import io
import re
import tarfile
from dataclasses import dataclass
from pathlib import Path

from lab.config import ROOT
from lab.host import Host
from lab.result import Result

TREE = ROOT / "lab" / "meta1"
LEFT_OVERS = {"__pycache__", "build", ".pytest_cache", ".hypothesis", ".mypy_cache", ".ruff_cache"}


@dataclass(frozen=True, slots=True)
class Release:
    """Where it was unpacked on the machine, and what each step said."""

    folder: str
    configure: Result
    make: Result


def build(vm: Host) -> Release:
    """Make the tarball, unpack it somewhere else, configure, make: all as the user lab."""
    vm.run("rm -rf source meta1-* && mkdir source")
    vm.run("tar x -C source --no-same-owner", input=sources())
    vm.run(
        "cd source && ./configure && make dist SIGN=no && mv meta1-*.tar.gz .. && rm -r ../source",
        timeout=300,
    )
    vm.run("tar xzf meta1-*.tar.gz")
    folder = str(vm.run("echo ~/meta1-*/")).rstrip("/")
    return Release(
        folder,
        vm.run("cd %s && ./configure", folder, timeout=300),
        vm.run("cd %s && make", folder, timeout=300),
    )


def install(vm: Host, release: Release) -> None:
    """Make the accounts by the commands that sm.check.sh names, then install as root."""
    for _ in range(3):  # a membership can be asked for only when its user is there
        said = vm.run("cd %s && misc/sm.check.sh -p", release.folder, check=False, timeout=120)
        for command in re.findall(r"mend: (.*)", said.stdout):
            vm.run(command, as_user="root")
    vm.run("usermod --append --groups sasl meta1s", as_user="root")  # who may read /etc/sasldb2
    vm.run("cd %s && sudo make install", release.folder, timeout=300)


def make_map(vm: Host, name: str, text: str) -> None:
    """Write a map beside meta1.conf by createmap, which says what is wrong with it."""
    vm.put(text, f"/etc/meta1/{name}")
    vm.run("cd /etc/meta1 && /usr/local/bin/createmap hash %s.db < %s", name, name, as_user="root")


def sources() -> bytes:
    """The source tree as a tar, without what tools have left in it."""

    def wanted(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        return None if Path(member.name).name in LEFT_OVERS else member

    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        tar.add(TREE, arcname=".", filter=wanted)
    return data.getvalue()

"""MeTA1 on the lab machine as the tutorial does it: a release tarball, built as a plain user, installed as root."""

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
CONF = "/etc/meta1/meta1.conf"
TUTORIAL = TREE / "tests" / "data" / "tutorial-2006.conf"
LOCAL_USERS = "alice alice\nbob bob\n"
LAB_FACTS = """
		local_domains = lab.example;
		map users { type = hash; file = "users.db"; }
		local_user_map { name = users; flags = { localpart, local_domains }; }
"""


@dataclass(frozen=True, slots=True)
class Release:
    """Where it was unpacked on the machine, and what each step said."""

    folder: str
    configure: Result
    make: Result
    check: Result


def build(vm: Host) -> Release:
    """Make the tarball, unpack it somewhere else, configure, make, make check-all: all as the user lab."""
    vm.run("mkdir -p source && tar x -C source --no-same-owner", input=_sources())
    vm.run(
        "cd source && ./configure && make dist SIGN=no && mv meta1-*.tar.gz .. && rm -r ../source"
    )
    vm.run("tar xzf meta1-*.tar.gz")
    folder = str(vm.run("echo ~/meta1-*/")).rstrip("/")
    return Release(
        folder,
        vm.run("cd %s && ./configure", folder),
        vm.run("cd %s && make", folder),
        vm.run("cd %s && make check-all", folder, timeout=240, check=False),
    )


def install(vm: Host, release: Release) -> None:
    """Make the accounts by the commands that sm.check.sh names, then install as root."""
    for _ in range(3):  # a membership can be asked for only when its user is there
        said = vm.run("cd %s && misc/sm.check.sh -p", release.folder, check=False)
        for command in re.findall(r"mend: (.*)", said.stdout):
            vm.run(command, as_user="root")
    vm.run("usermod --append --groups sasl meta1s", as_user="root")  # who may read /etc/sasldb2
    vm.run("cd %s && sudo make install", release.folder)


def configure(vm: Host, conf: str | None = None, access: str = "") -> None:
    """Write meta1.conf, the users and the access map; an empty map allows nobody to relay."""
    vm.put(conf or tutorial_conf(), CONF)
    make_map(vm, "users", LOCAL_USERS)
    make_map(vm, "access", access)


def make_map(vm: Host, name: str, text: str) -> None:
    """Write a map beside meta1.conf by createmap, which says what is wrong with it."""
    vm.put(text, f"/etc/meta1/{name}")
    vm.run("cd /etc/meta1 && /usr/local/bin/createmap hash %s.db < %s", name, name, as_user="root")


def tutorial_conf(*changes: tuple[str, str]) -> str:
    """The tutorial's file with the local domain and users of the lab, and further changes."""
    nameserver = "nameserver = 127.0.0.1;"
    text = TUTORIAL.read_text()
    for old, new in ((nameserver, nameserver + LAB_FACTS), *changes):
        assert text.count(old) >= 1, old
        text = text.replace(old, new, 1)
    return text


def _sources() -> bytes:
    """The source tree as a tar, without what tools have left in it."""

    def wanted(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        return None if Path(member.name).name in LEFT_OVERS else member

    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        tar.add(TREE, arcname=".", filter=wanted)
    return data.getvalue()

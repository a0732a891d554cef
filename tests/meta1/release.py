"""MeTA1 as the tests of this folder have it on their machine: checked, and set up by the tutorial's own file."""

from __future__ import annotations

from dataclasses import dataclass

from lab.bench.install import TREE, make_map
from lab.bench.install import Release as Built
from lab.bench.install import build as built
from lab.host import Host
from lab.result import Result

CONF = "/etc/meta1/meta1.conf"
TUTORIAL = TREE / "tests" / "data" / "tutorial-2006.conf"
LOCAL_USERS = "alice alice\nbob bob\n"
LAB_FACTS = """
		local_domains = lab.example;
		map users { type = hash; file = "users.db"; }
		local_user_map { name = users; flags = { localpart, local_domains }; }
"""


@dataclass(frozen=True, slots=True)
class Release(Built):
    """With what its own checks said on the machine."""

    check: Result


def build(vm: Host) -> Release:
    """Build it, and run `make check-all` as the user lab."""
    made = built(vm)
    check = vm.run("cd %s && make check-all", made.folder, timeout=600, check=False)
    return Release(made.folder, made.configure, made.make, check)


def configure(vm: Host, conf: str | None = None, access: str = "") -> None:
    """Write meta1.conf, the users and the access map; an empty map allows nobody to relay."""
    vm.put(conf or tutorial_conf(), CONF)
    make_map(vm, "users", LOCAL_USERS)
    make_map(vm, "access", access)


def tutorial_conf(*changes: tuple[str, str]) -> str:
    """The tutorial's file with the local domain and users of the lab, and further changes."""
    nameserver = "nameserver = 127.0.0.1;"
    text = TUTORIAL.read_text()
    for old, new in ((nameserver, nameserver + LAB_FACTS), *changes):
        assert text.count(old) >= 1, old
        text = text.replace(old, new, 1)
    return text

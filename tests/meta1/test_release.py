"""The tutorial's first half on a real machine: unpack, build and check as a plain user, install, start."""

from __future__ import annotations

import re

import pytest

from lab.host import Host
from meta1.release import CONF, Release

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]  # the first test has the machine made
USERS = {"smtps": "meta1s", "qmgr": "meta1q", "smtpc": "meta1c", "smar": "meta1m"}


def test_configure_finds_what_the_machine_has(release: Release) -> None:
    """TLS and SASL are on without being asked for."""
    assert "TLS yes, SASL yes" in release.configure.stdout
    assert release.make.ok


def test_every_check_is_green(release: Release) -> None:
    """On the machine, by the user lab, with certificates and secrets of earlier chapters about."""
    print(f"\nmake check: {release.check.seconds:.1f} s; {release.check.lines[-1]}")
    assert release.check.ok, release.check.stdout[-6000:]
    assert re.search(r"make check-all: \d{4} passed, 0 failed", release.check.lines[-1])


def test_root_may_not_build(installed: Host, release: Release) -> None:
    """It is refused with the reason."""
    refused = installed.run("cd %s && sudo ./configure", release.folder, check=False)
    assert refused.code != 0
    assert "root" in refused.stdout + refused.stderr


def test_accounts_and_places_are_right(installed: Host) -> None:
    """Nothing is left to mend, and smtpc may reach Cyrus' socket."""
    assert installed.run("sm.check.sh -p -d -n", as_user="root").lines[-1] == "all is well"
    assert "mail" in str(installed.run("id -nG meta1c")).split()


@pytest.mark.parametrize("name", USERS)
def test_the_configuration_is_valid(installed: Host, name: str) -> None:
    """Each program says so of the tutorial's file, certificates and owners included."""
    said = installed.run(f"/usr/local/libexec/{name} -f {CONF} -VVVV", as_user="root")
    assert said.lines[-1] == f"# {CONF}: valid"


def test_five_processes_run(vm: Host) -> None:
    """Each as its own user; only mcp is root, and only it."""
    rows = [line.split() for line in vm.run("mcp.sh status", as_user="root").lines]
    found = {name: str(vm.run("ps -o user= -p %s", number)) for name, number, _ in rows}
    assert found == {"mcp": "root", **USERS}
    assert {state for _, _, state in rows} == {"up"}


def test_stop_and_start(vm: Host) -> None:
    """Nothing is left of it after stop; restart brings all back."""
    vm.run("mcp.sh stop", as_user="root")
    assert vm.run("mcp.sh status", as_user="root", check=False).code == 3
    assert not vm.run("pgrep -u meta1s,meta1q,meta1c,meta1m", check=False).ok
    vm.run("mcp.sh restart", as_user="root")
    assert len(vm.run("mcp.sh status", as_user="root").lines) == 5

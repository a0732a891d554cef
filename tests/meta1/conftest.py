"""One lab machine for all tests of this folder: the end of chapter 3, with MeTA1 built and started on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.bench.install import install
from lab.chapters import chapter
from lab.host import Host
from lab.lab import Lab
from lab.session import Session
from meta1.release import Release, build, configure


def quiet(_: str) -> None:
    """Progress that nobody reads."""


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab at the end of chapter 3: Cyrus delivers, the certificates lie in /etc/meta1/CA."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAB_HOME", str(tmp_path_factory.mktemp("labs")))
        lab = Lab("meta1", "container")
        third = chapter("03-certificates")
        try:
            session = Session(lab, quiet)
            session.goto(third)
            session.finish(third)
            yield lab
        finally:
            lab.down()


@pytest.fixture(scope="session")
def machine(lab: Lab) -> Host:
    """Its machine."""
    return lab.host


@pytest.fixture(scope="session")
def release(machine: Host) -> Release:
    """MeTA1 unpacked, configured, built and checked by the user lab."""
    return build(machine)


@pytest.fixture(scope="session")
def installed(machine: Host, release: Release) -> Host:
    """The machine with MeTA1 installed, its accounts made, and the tutorial's configuration in place."""
    install(machine, release)
    configure(machine)
    return machine


@pytest.fixture
def vm(installed: Host) -> Iterator[Host]:
    """The machine while MeTA1 runs; what a test has changed in the configuration is put back."""
    installed.run("mcp.sh start", as_user="root")
    yield installed
    configure(installed)
    installed.run("mcp.sh reload", as_user="root")


@pytest.fixture(scope="session")
def here() -> Path:
    """The folder of these tests, with the programs that run on the machine."""
    return Path(__file__).parent

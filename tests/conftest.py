"""Fixtures for all tests: a real sshd on this host's loopback, and hosts on it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from openssh import Sshd, start_sshd

from lab.host import Host


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """A real sshd for the whole session; starting one costs more than most tests."""
    server = start_sshd(tmp_path_factory.mktemp("sshd"))
    yield server
    server.process.terminate()
    server.process.wait(timeout=5)


@pytest.fixture(scope="session")
def host(sshd: Sshd) -> Iterator[Host]:
    """A host on that sshd for all tests: whoever breaks its connection leaves it to be remade."""
    made = Host(sshd.endpoint, sshd.connect)
    yield made
    made.close()


@pytest.fixture
def new_host(sshd: Sshd) -> Iterator[Callable[..., Host]]:
    """Make hosts on that sshd with some of the endpoint replaced; all are closed at the end."""
    made: list[Host] = []

    def make(connect: Callable[[], socket.socket] = sshd.connect, **changes: object) -> Host:
        made.append(Host(replace(sshd.endpoint, **changes), connect))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for each in made:
        each.close()

"""A running smtps for each test, with the options the test asks for."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pki import Authority
from server_fixture import HOST, Running

# The dialogs are read by the same lines of code here and for the core.
sys.path.append(str(Path(__file__).parents[1] / "smtp"))

Start = Callable[..., Running]


@pytest.fixture
def start(box: Path) -> Iterator[Start]:
    """Give a function that starts smtps with options; all are stopped at the end."""
    running: list[Running] = []

    def begin(options: str = "flags = { 8bitmime, access };", **more: object) -> Running:
        one = Running(box, options, **more)  # type: ignore[arg-type]
        running.append(one)
        return one

    yield begin
    for one in running:
        one.stop()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The CA of the lab."""
    return Authority(tmp_path_factory.mktemp("ca"), "Lab CA")


@pytest.fixture(scope="module")
def tls_options(authority: Authority) -> str:
    """A tls section."""
    cert, key = authority.issue("server")
    return f'tls {{ key_file = "{key}"; cert_file = "{cert}"; CAcert_file = "{authority.file}"; }}'


@pytest.fixture(scope="module")
def auth_options(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An auth section with a database in which alice is known."""
    path = tmp_path_factory.mktemp("sasl") / "sasldb2"
    subprocess.run(
        ["saslpasswd2", "-p", "-c", "-f", str(path), "-u", HOST, "alice"],
        input=b"secret",
        check=True,
    )
    return f'auth {{ sasldb = "{path}"; %s }}'

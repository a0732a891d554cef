"""What a chapter says under "Run it yourself" works as it stands there, line by line, in this checkout."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from docutils import nodes
from labsite.chapter import run_it_yourself
from notebook_server import announced

ROOT = Path(__file__).resolve().parent.parent
CHAPTER = "02-cyrus-imap"
SECONDS = 600
"""For one line, on an emulated machine beside other work."""

pytestmark = pytest.mark.timeout(1800)


def lines(way: str) -> list[str]:
    """The commands that the chapter's page shows for a way."""
    said = list(run_it_yourself(CHAPTER))
    (at,) = (i for i, node in enumerate(said) if node.astext().startswith(way))
    assert isinstance(said[at + 1], nodes.literal_block)
    return str(said[at + 1].astext()).splitlines()


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[Mapping[str, str]]:
    """A reader's: labs of their own, and no browser; afterwards no machine is left."""
    mine = {k: v for k, v in os.environ.items() if k not in ("LAB_BROKER", "LAB_NAME")}
    mine |= {"LAB_HOME": str(tmp_path), "JUPYTER_RUNTIME_DIR": str(tmp_path / "jupyter")}
    mine |= {"BROWSER": "true", "CI": "true"}
    yield mine
    for name in ("lab", "vm", "alice"):
        subprocess.run([ROOT / ".venv/bin/lab", "--lab", name, "down"], env=mine, check=False)


def typed(line: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Type a line in the checkout and wait for its end."""
    return subprocess.run(
        line,
        shell=True,
        cwd=ROOT,
        env=environment,
        text=True,
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )


@contextmanager
def running(line: str, environment: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
    """Type a line that starts JupyterLab; what its server says of itself while it runs."""
    folder = Path(environment["JUPYTER_RUNTIME_DIR"])
    log = folder.with_suffix(".log")
    with log.open("w") as out:
        shell = subprocess.Popen(
            line, shell=True, cwd=ROOT, env=environment, stdout=out, stderr=out, process_group=0
        )
    try:
        yield announced(folder, shell, log, SECONDS)
    finally:
        os.killpg(shell.pid, 15)
        shell.wait(SECONDS)


def asked(server: Mapping[str, str], path: str) -> bytes:
    """What the server answers its owner."""
    request = urllib.request.Request(
        server["url"] + path, headers={"Authorization": f"token {server['token']}"}
    )
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:
        body: bytes = answer.read()
        return body


def walked(way: str, environment: Mapping[str, str]) -> None:
    """All lines work, and the last opens JupyterLab with the chapter and the lab panel."""
    *commands, last = lines(way)
    for command in commands:
        done = typed(command, environment)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    with running(last, environment) as server:
        assert json.loads(asked(server, f"api/contents/{CHAPTER}.ipynb"))["type"] == "notebook"
        assert json.loads(asked(server, "lab-panel/chapters"))


@pytest.mark.lab
@pytest.mark.parametrize("way", ["Dev container", "Several at one computer"])
def test_way_begins_here(environment: Mapping[str, str], way: str) -> None:
    """From nothing, a machine where the chapter starts and the notebooks beside it."""
    walked(way, environment)


@pytest.mark.lab
def test_container_then_back_to_a_checkpoint(environment: Mapping[str, str]) -> None:
    """The container comes up; a reset leads back, and then the chapter is not yet done."""
    walked("Container", environment)
    reset, check = lines("From a checkpoint")
    assert typed(reset, environment).returncode == 0
    assert typed(check, environment).returncode == 1


@pytest.mark.vm
def test_virtual_machine(environment: Mapping[str, str]) -> None:
    """The same in a virtual machine."""
    walked("Vagrant", environment)

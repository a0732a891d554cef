"""Several machines from one Vagrantfile, for a room: each with keys and a port of its own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.config import ROOT, cache_dir
from lab.machine import box

pytestmark = [pytest.mark.vm, pytest.mark.timeout(1200)]
MACHINES = ("lab1", "lab2")


@pytest.fixture(scope="module")
def room() -> Iterator[Path]:
    """Two machines that run; gives the folder with what each has of its own."""
    box.ensure(lambda _: None)
    folder = cache_dir() / "home" / f"room-{os.getpid()}"
    folder.mkdir(mode=0o700, parents=True)
    try:
        vagrant(folder, "up", "--no-parallel")
        yield folder
    finally:
        vagrant(folder, "destroy", "--force", check=False)
        subprocess.run(["rm", "-rf", str(folder)], check=False)


def vagrant(folder: Path, *words: str, check: bool = True) -> str:
    """A command of Vagrant's in lab/machine, for two machines of our own box."""
    done = subprocess.run(
        ["vagrant", *words],
        cwd=ROOT / "lab" / "machine",
        env={**os.environ, "VAGRANT_DOTFILE_PATH": str(folder), "LAB_MACHINES": "2", "LAB_BOX": "local",
             "LAB_MEMORY": "512", "LAB_CPUS": "1", "VAGRANT_NO_COLOR": "1", "VAGRANT_CHECKPOINT_DISABLE": "1"},
        capture_output=True,
        text=True,
        errors="replace",
        stdin=subprocess.DEVNULL,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0 or not check, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def test_each_machine_has_its_own_port_and_keys(room: Path) -> None:
    """Both run the lab machine; they share neither a port nor a key, and each takes its own only."""
    for name in MACHINES:
        assert vagrant(room, "ssh", name, "-c", "hostname; cat /etc/lab-machine").split("\n")[:2] == [
            "mail.lab.example", "lab machine"
        ]  # fmt: skip
    ports = {(room / name / "ssh-port").read_text() for name in MACHINES}
    assert len(ports) == 2
    for key in ("key.pub", "host_key.pub"):
        assert len({(room / name / key).read_text() for name in MACHINES}) == 2
    offered = vagrant(room, "ssh", "lab1", "-c", "cat .ssh/authorized_keys").strip()
    assert offered == (room / "lab1" / "key.pub").read_text().strip()

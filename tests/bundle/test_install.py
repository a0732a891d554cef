"""A bundle is installed as in a room without a net: the site is there, `lab` works, a machine comes up from it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.bundle import make
from lab.machine.image import recipe_hash

pytestmark = pytest.mark.timeout(1400)
WITHOUT = ("box",)
"""What Vagrant makes of its box, tests/providers shows."""


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with `stick`, the bundle, and `mail`, which was installed from it without a net."""
    folder = tmp_path_factory.mktemp("room")
    make.make(folder / "stick", lambda _: None, WITHOUT)
    try:
        installed = offline(folder, "sh stick/install.sh mail")
        assert installed.returncode == 0, installed.stdout[-2000:] + installed.stderr[-2000:]
        yield folder
    finally:
        if (folder / "mail" / ".venv").exists():
            offline(folder / "mail", ".venv/bin/lab down")
        shutil.rmtree(folder, ignore_errors=True)


def offline(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    """A shell command in a network namespace of its own, which has not even a loopback interface that is up."""
    env = {key: os.environ[key] for key in ("PATH", "LANG") if key in os.environ}
    top = folder if (folder / "stick").exists() else folder.parent
    env |= {"HOME": str(top), "LAB_CACHE": str(top / "cache"), "LAB_NAME": "room"}
    env |= {"LAB_PROVIDER": "container", "UV_COMPILE_BYTECODE": "0"}  # what is used compiles itself
    words = (
        ["unshare", "--map-root-user", "--net", "--"]
        if os.geteuid()
        else ["unshare", "--net", "--"]
    )
    return subprocess.run(
        [*words, "sh", "-c", command],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        errors="replace",
        stdin=subprocess.DEVNULL,
        check=False,
    )


def test_site_is_there_to_be_read(room: Path) -> None:
    """Cover and chapters lie in the folder that the installer names."""
    html = room / "mail" / "_build" / "html"
    assert "MeTA1 with Cyrus IMAP" in (html / "index.html").read_text()
    assert len(list((html / "notebooks").glob("[0-9][0-9]-*.html"))) == 16


def test_doctor_finds_nothing_missing_and_make_fetches_nothing(room: Path) -> None:
    """`lab doctor` is content, and so is the setup that every `make` begins with."""
    for command in (".venv/bin/lab doctor", "lab/setup.sh book"):
        done = offline(room / "mail", command)
        assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""


def test_machine_comes_up_from_the_stick(room: Path) -> None:
    """The container is made of the tree that was on the stick, and works."""
    kept = room / "cache" / recipe_hash() / "root.tar"
    assert make.digest(kept) == make.digest(room / "stick" / "tree" / "root.tar")
    done = offline(room / "mail", ".venv/bin/lab up && .venv/bin/lab run hostname")
    assert done.stdout.splitlines()[-1:] == ["mail.lab.example"], done.stdout + done.stderr


def test_damaged_stick_is_refused(room: Path) -> None:
    """One byte that is not as it was: the installer stops before it does anything."""
    file = room / "stick" / "site" / "site.tar.gz"
    content = file.read_bytes()
    try:
        file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        done = offline(room, "sh stick/install.sh other")
    finally:
        file.write_bytes(content)
    assert done.returncode == 2
    assert "damaged" in done.stderr
    assert not (room / "other").exists()

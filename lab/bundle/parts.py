"""The parts of a bundle: for each, what decides whether it is still right, and how it is made.

A part is made into a folder of its own and only then put in place, so that one which is there is whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from lab.config import ROOT
from lab.errors import LabError
from lab.machine import box, image
from lab.providers.base import Progress

LOCK = ROOT / "requirements.txt"
PROXY = ROOT / "lab" / "classroom" / "proxy"
BIN = Path(sys.executable).parent
LINES = 6
"""Last lines of a failed step that the error repeats."""


@dataclass(frozen=True, slots=True)
class Part:
    """A folder of the bundle. `key` names what it was made of; `make` fills an empty folder."""

    name: str
    what: str
    key: Callable[[], str]
    make: Callable[[Path, Progress], None]


def _commit() -> str:
    """The commit that is checked out. Raises `LabError` outside of git."""
    return _run("looking at the checkout", ["git", "rev-parse", "HEAD"]).strip()


def uncommitted() -> bool:
    """Are there changes here that are in no commit, and so in no bundle?"""
    return bool(_run("looking at the checkout", ["git", "status", "--porcelain"]).strip())


def _checkout(folder: Path, progress: Progress) -> None:
    progress("packing the checkout")
    head = ["git", "bundle", "create", "--quiet", str(folder / "book.bundle"), "HEAD"]
    _run("packing the checkout", head)


def _python() -> str:
    release = platform.libc_ver()
    return f"{sys.version_info[0]}.{sys.version_info[1]} {platform.machine()} {release[0]} {_digest(LOCK)}"


def _wheels(folder: Path, progress: Progress) -> None:
    progress("fetching the Python packages of requirements.txt")
    words = ["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--require-hashes"]
    words += ["--only-binary=:all:", "--dest", str(folder), "--requirement", str(LOCK)]
    _run("fetching Python packages", [sys.executable, *words])


def _npm(folder: Path, progress: Progress) -> None:
    progress("fetching the npm packages of the class's proxy")
    work = folder / "work"
    work.mkdir()
    for name in ("package.json", "package-lock.json"):
        shutil.copy(PROXY / name, work / name)
    words = ["ci", "--prefix", str(work), "--cache", str(folder / "cache"), "--ignore-scripts"]
    quiet = ["--no-audit", "--no-fund", "--loglevel", "error"]
    _run("fetching npm packages", [str(BIN / "npm"), *words, *quiet])
    shutil.rmtree(work)
    shutil.rmtree(folder / "cache" / "_logs", ignore_errors=True)


def _tree(folder: Path, progress: Progress) -> None:
    tree = image.tree(progress)
    progress("copying the machine's files")
    shutil.copy(tree, folder / "root.tar")


def _box(folder: Path, progress: Progress) -> None:
    made = box.ensure(progress)
    progress("copying the Vagrant box")
    shutil.copy(made.metadata.with_name("lab.box"), folder / "lab.box")
    about = json.loads(made.metadata.read_text())
    # Where the box will lie is known only where it is installed.
    about["versions"][0]["providers"][0]["url"] = "@FOLDER@/lab.box"
    (folder / "lab.json").write_text(json.dumps(about, indent=1) + "\n")


def _site(folder: Path, progress: Progress) -> None:
    progress("building the site")
    _run("building the site", ["make", "--no-print-directory", "archive"])
    shutil.copy(ROOT / "_build" / "site.tar.gz", folder / "site.tar.gz")


PARTS = (
    Part("checkout", "the book, its notebooks and the lab, as a git bundle", _commit, _checkout),
    Part("wheels", "Python packages for this kind of computer", _python, _wheels),
    Part(
        "npm",
        "npm packages of the class's proxy",
        lambda: _digest(PROXY / "package-lock.json"),
        _npm,
    ),
    Part("tree", "the lab machine for the container", image.recipe_hash, _tree),
    Part("box", "the lab machine for Vagrant with libvirt", box.version, _box),
    Part("site", "the book to read in a browser", _commit, _site),
)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _run(what: str, command: Iterable[str]) -> str:
    """Run a step in the checkout and give what it printed. Raises `LabError` with its last lines."""
    path = f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}"
    try:
        done = subprocess.run(
            list(command),
            cwd=ROOT,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except FileNotFoundError as error:
        raise LabError(f"{what}: {error.filename} is missing", "make setup-class") from error
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-LINES:]
        raise LabError("\n".join([f"{what} failed:", *said]), "mend it, then run lab bundle again")
    return done.stdout

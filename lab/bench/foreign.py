"""Programs of others on a lab machine: Debian packages that its recipe does not have, unpacked over its files.

Two mail servers of Debian cannot be installed beside each other, and no script of theirs need run here. So the
packages, with all they depend on, are fetched on this host, kept in the cache folder, and only unpacked on the
machine: nothing that is there already is touched, and nothing is started. The machine needs no network for it.
"""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from lab.config import cache_dir
from lab.errors import LabError
from lab.host import Host
from lab.machine.image import SUITE
from lab.providers.base import Progress

LEFT_OUT = ("./usr/share/doc", "./usr/share/man", "./usr/share/locale", "./usr/share/icons")
KEPT = ("usr", "lib", "opt")
"""Nothing of /etc and /var: who uses a program writes its configuration, and owns its files."""


def unpack(vm: Host, packages: Sequence[str], progress: Progress, also: Sequence[str] = ()) -> None:
    """Put programs on the machine, at the places where Debian has them. Raises `LabError` without a way to Debian.

    `also` are folders outside of `KEPT`, such as data that a program keeps below etc.
    """
    tar = fetched(packages, progress, also)
    progress(f"unpacking {', '.join(packages)} on the machine")
    vm.run(
        "tar xz -C / --skip-old-files --keep-directory-symlink --no-same-owner && ldconfig",
        as_user="root",
        input=tar.read_bytes(),
        timeout=300,
    )


def add_user(vm: Host, name: str) -> None:
    """An account as a package's own script would have made it, if there is none."""
    vm.run(
        "id %s > /dev/null 2>&1 || useradd --system --user-group --no-create-home --shell /usr/sbin/nologin %s",
        name,
        name,
        as_user="root",
    )


def fetched(packages: Sequence[str], progress: Progress, also: Sequence[str] = ()) -> Path:
    """A tar file of these packages and all they depend on, from the cache if it was fetched before."""
    name = hashlib.sha256(" ".join([SUITE, *packages, *also]).encode()).hexdigest()[:12]
    target = cache_dir() / "foreign" / f"{packages[0]}-{name}.tar.gz"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with (target.parent / "lock").open(
            "w"
        ) as lock:  # one at a time, whoever else wants the same
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not target.exists():
                progress(f"fetching {', '.join(packages)} from Debian")
                _fetch(packages, target, also)
    return target


def source(requirement: str, progress: Progress) -> Path:
    """The source archive of a Python package, `name==version`, from PyPI or the cache."""
    folder = cache_dir() / "foreign" / requirement.replace("==", "-")
    if not list(folder.glob("*.tar.gz")):
        progress(f"fetching {requirement} from PyPI")
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        _run([*pip, "--no-binary", ":all:", "--dest", str(folder), requirement])
    return next(iter(folder.glob("*.tar.gz")))


def _fetch(packages: Sequence[str], target: Path, also: Sequence[str]) -> None:
    """Fetch and unpack with mmdebstrap, as the machine's image is made; keep what is of use there."""
    work = Path(mkdtemp(prefix="foreign-", dir=cache_dir()))
    work.chmod(0o755)  # mmdebstrap's own user must reach its folder
    try:
        tree = work / "tree.tar"
        left_out = [f"--dpkgopt=path-exclude={path[1:]}/*" for path in LEFT_OUT]
        include = f"--include={','.join(packages)}"
        no_more = '--aptopt=APT::Install-Recommends "false"'
        command = ["mmdebstrap", "--quiet", "--variant=extract", no_more, *left_out, include]
        _run([*command, SUITE, str(tree)])
        # Not every package has something in each of these folders.
        names = {
            line.split("/")[1]
            for line in _run(["tar", "tf", str(tree)]).splitlines()
            if "/" in line
        }
        kept = [*(f"./{name}" for name in KEPT if name in names), *(f"./{name}" for name in also)]
        _run(["mkdir", str(work / "files")])
        skip = [f"--exclude={path}" for path in LEFT_OUT]
        _run(["tar", "xf", str(tree), "-C", str(work / "files"), *skip, *kept])
        part = work / "part.tar.gz"
        _run(["tar", "c", "-I", "gzip -1", "-f", str(part), "-C", str(work / "files"), "."])
        part.rename(target)
    finally:
        rmtree(work, ignore_errors=True)


def _run(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=400, check=True)
    except FileNotFoundError as error:
        raise LabError(f"{command[0]} is missing", "make setup") from error
    except subprocess.CalledProcessError as error:
        raise LabError(
            f"{' '.join(command)}:\n{error.stderr[-800:]}", "is there a way to the packages?"
        ) from error
    return done.stdout

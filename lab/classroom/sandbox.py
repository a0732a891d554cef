"""The sandbox of a trainee's server: what it sees of the host, and the command that starts a program in it.

bubblewrap runs as root, so it may show folders that lie below others that the trainee may not enter; the program
itself runs as the trainee's user, with no capability and no way to get one (no_new_privs). It sees its home, the
programs of the host and the checkout, both read-only, the socket of the broker, and no one else's anything.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lab.config import ROOT

CHECKOUT = ("lab", "notebooks", "pyproject.toml", ".venv")
"""Of the checkout: what the notebooks and the commands of `lab` read. Its state, `.lab`, is not among it."""
ETC = (
    "alternatives", "bash.bashrc", "debian_version", "fonts", "inputrc", "ld.so.cache", "ld.so.conf",
    "ld.so.conf.d", "localtime", "mime.types", "os-release", "profile", "ssh/ssh_config", "ssl/certs",
    "terminfo", "vim",
)  # fmt: skip
"""Of /etc: what programs want to be themselves; nothing of this host's users and services."""
MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
EMPTY = ("/tmp", "/var/tmp", "/dev/shm")
"""Folders of the sandbox's own, in memory."""
TEMPORARY = 256 << 20
"""Bytes that each of them may hold; they count as the sandbox's memory."""
RUN = "/run/lab"
"""Where the broker's socket is in a sandbox."""


@dataclass(frozen=True, slots=True)
class Tree:
    """What all sandboxes see of a host, each at its own path, read-only."""

    paths: tuple[Path, ...]
    links: Mapping[Path, str] = field(default_factory=dict)
    """Symbolic links that are made anew."""


@dataclass(frozen=True, slots=True)
class Box:
    """One sandbox. The fields that may be None are defences; a test leaves one out to see what it is for."""

    name: str
    uid: int
    home: Path
    etc: Path
    """Folder with its own passwd, group and hosts."""
    run: Path | None
    """Folder with the broker's socket."""
    namespace: Path | None
    """File of its network namespace; None shares the host's."""
    own_processes: bool = True
    """A process namespace of its own."""


def tree(root: Path = ROOT, executable: Path | None = None) -> Tree:
    """What this host has to show; looks at it."""
    paths, links = [Path("/usr")], {}
    for name in MERGED:
        path = Path("/", name)
        if path.is_symlink():
            links[path] = str(path.readlink())
        elif path.is_dir():
            paths.append(path)
    paths += [path for name in ETC if (path := Path("/etc", name)).exists()]
    paths += [path for name in CHECKOUT if (path := root / name).exists()]
    python = executable or root / ".venv" / "bin" / "python"
    return Tree((*paths, *interpreter(python, (*paths, *links))), links)


def interpreter(program: Path, shown: Iterable[Path]) -> list[Path]:
    """Where the Python that a virtual environment points to lies, and links on the way, if not shown already."""
    known, found = list(shown), []
    # A link may point to a link, each in a folder of its own.
    while True:
        if not any(program.is_relative_to(each) for each in known):
            found.append(program)
        if not program.is_symlink():
            break
        program = Path(os.path.normpath(program.parent / program.readlink()))
    base = program.parent.parent
    if not any(base.is_relative_to(each) for each in known):
        found = [each for each in found if not each.is_relative_to(base)] + [base]
    return found


def files(name: str, full_name: str, uid: int) -> dict[str, str]:
    """Its own files of /etc: only root and the trainee have a name."""
    shown = full_name.replace(":", " ").replace(",", " ")
    return {
        "passwd": f"root:x:0:0:root:/:/usr/sbin/nologin\n{name}:x:{uid}:{uid}:{shown}:/home/{name}:/bin/bash\n",
        "group": f"root:x:0:\n{name}:x:{uid}:\n",
        "hosts": f"127.0.0.1 localhost {name}\n",
        "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    }


def argv(box: Box, seen: Tree, command: Sequence[str]) -> list[str]:
    """The command line that runs a command in the sandbox, to be started by root.

    Its environment is that of the one who starts it: a command line is no place for a token.
    """
    home = Path("/home", box.name)
    shown = {path: path for path in seen.paths}
    shown |= {Path("/etc", name): box.etc / name for name in files(box.name, "", box.uid)}
    shown |= {Path(RUN): box.run} if box.run else {}
    words = ["bwrap", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try", "--new-session"]
    words += ["--unshare-pid"] if box.own_processes else []
    words += ["--hostname", box.name]
    # The empty ones first: a checkout may lie in /tmp.
    words += ["--proc", "/proc", "--dev", "/dev", "--perms", "0755", "--dir", "/var"]
    for place in EMPTY:
        words += ["--perms", "1777", "--size", str(TEMPORARY), "--tmpfs", place]
    for path in parents((*shown, home)):
        words += ["--perms", "0755", "--dir", str(path)]
    for path, target in seen.links.items():
        words += ["--symlink", target, str(path)]
    for path, source in shown.items():
        words += ["--ro-bind", str(source), str(path)]
    words += ["--bind", str(box.home), str(home), "--chdir", str(home), "--"]
    enter = [] if box.namespace is None else ["nsenter", f"--net={box.namespace}", "--"]
    return [*enter, *words, *as_user(box.uid), *command]


def parents(paths: Iterable[Path]) -> list[Path]:
    """Folders that lead to those paths, the outer ones first; bubblewrap itself would close them to the trainee."""
    found = {each for path in paths for each in path.parents}
    return sorted(found - {Path("/"), Path("/var"), *map(Path, EMPTY)})


def as_user(uid: int) -> list[str]:
    """Begin of a command that runs as that user, with no capability now or later."""
    return [
        "setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--inh-caps=-all",
        "--ambient-caps=-all", "--bounding-set=-all", "--no-new-privs", "--",
    ]  # fmt: skip


def environment(name: str, trainees: int = 1) -> dict[str, str]:
    """Variables that every program in the sandbox gets; nothing of the one that starts it.

    Where many `trainees` share few processors, what waits for a machine waits longer.
    """
    root, home = str(ROOT), f"/home/{name}"
    return {
        "PATH": f"{root}/.venv/bin:/usr/local/bin:/usr/bin:/bin",
        "HOME": home,
        "USER": name,
        "LOGNAME": name,
        "LAB_PATIENCE": str(max(1, math.ceil(trainees / (os.cpu_count() or 1)))),
        "SHELL": "/bin/bash",
        "LANG": "C.UTF-8",
        "LAB_BROKER": f"{RUN}/broker.sock",
        "LAB_HOME": f"{home}/.lab",
        "JUPYTER_CONFIG_PATH": f"{root}/lab/classroom/jupyter:{root}/lab/classroom/panel",
        "PYTHONPATH": root,
        # The checkout is read-only; `lab class up` has compiled it.
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def python() -> str:
    """The project's Python, as a sandbox sees it."""
    return str(Path(sys.prefix) / "bin" / "python")

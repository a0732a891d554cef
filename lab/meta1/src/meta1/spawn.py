"""Start one process of a module: as its own user, with nothing it does not need.

The process dies with mcp (its parent-death signal), can never gain privileges again, and learns
through its environment where to say that it is ready.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import resource
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from meta1.buildinfo import BUILD
from meta1.config import Config, Module, Smtps
from meta1.program import PROCESS, READY_FD

DEFAULT_USERS: Final = {
    "smtps": "meta1s", "smtpc": "meta1c", "qmgr": "meta1q", "smar": "meta1m",
}  # fmt: skip
WANTED_FILES: Final = 65536
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NO_NEW_PRIVS: Final = 38
_KEPT_ENVIRONMENT: Final = ("META1_LOOP", "TZ", "PYTHONPATH")


class CannotStart(Exception):
    """The configuration asks for a process that must not or cannot be started."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to start one process; two equal recipes mean that nothing has to be started again."""

    name: str
    module: str
    process: int
    path: str
    arguments: tuple[str, ...]
    user: str | None
    directory: str
    dependencies: frozenset[str]


def recipes(config: Config) -> list[Recipe]:
    """One recipe a process, in the order of the file."""
    found = []
    for name, module in config.modules():
        count = module.processes if isinstance(module, Smtps) else 1
        for process in range(count):
            found.append(_recipe(config, name, module, process))
    return found


def _recipe(config: Config, name: str, module: Module, process: int) -> Recipe:
    program = "smtps" if isinstance(module, Smtps) else name
    label = ("-n", module.label) if module.label else ()
    return Recipe(
        name=f"{name}.{process}" if process else name,
        module=name,
        process=process,
        path=module.path or f"{BUILD.libexecdir}/{program}",
        arguments=module.arguments or (program, "-f", str(Path(config.file).absolute()), *label),
        user=module.user or (DEFAULT_USERS[program] if os.geteuid() == 0 else None),
        directory=config.queue_directory,
        dependencies=_dependencies(config, module),
    )


def _dependencies(config: Config, module: Module) -> frozenset[str]:
    """Names of modules; ``smtps`` means every SMTP server, whatever its label."""
    servers = [each.label or "smtps" for each in config.smtps]
    found: set[str] = set()
    for each in module.restart_dependencies:
        found |= set(servers) if each.lower() == "smtps" else {each}
    return frozenset(found)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a process runs as; without ``groups`` it stays what mcp is."""

    uid: int
    gid: int | None = None
    groups: tuple[int, ...] | None = None


def spawn(
    recipe: Recipe, identity: Identity, ready_fd: int, log: IO[bytes]
) -> subprocess.Popen[bytes]:
    """Start the process; raises OSError, also when its program cannot be executed."""
    environment = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
        READY_FD: str(ready_fd),
        PROCESS: str(recipe.process),
        **{key: os.environ[key] for key in _KEPT_ENVIRONMENT if key in os.environ},
    }
    return subprocess.Popen(
        recipe.arguments, executable=recipe.path, cwd=recipe.directory, env=environment,
        stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=(ready_fd,), umask=0o077,
        start_new_session=True, preexec_fn=_bind_to_parent(os.getpid()),
        user=None if identity.groups is None else identity.uid,
        group=identity.gid, extra_groups=identity.groups,
    )  # fmt: skip


def identity_of(user: str | None) -> Identity:
    """User, group and all further groups; raises CannotStart."""
    own = os.geteuid()
    if user is None and own != 0:
        return Identity(own)
    try:
        account = pwd.getpwnam(user or "root")
    except KeyError:
        raise CannotStart(f"there is no user '{user}'") from None
    if account.pw_uid == 0:
        raise CannotStart("only mcp runs as root: set user")
    if own == account.pw_uid:
        return Identity(own)
    if own != 0:
        raise CannotStart(f"mcp is not root, so it cannot start a program as {user}")
    # All groups of the user: smtpc reaches the LMTP socket as a member of group mail.
    groups = os.getgrouplist(account.pw_name, account.pw_gid)
    return Identity(account.pw_uid, account.pw_gid, tuple(groups))


_libc = ctypes.CDLL(None, use_errno=True)


def _bind_to_parent(parent: int) -> Callable[[], None]:
    def prepare() -> None:
        # After the change of user, which would clear the signal.
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = WANTED_FILES if hard == resource.RLIM_INFINITY else min(hard, WANTED_FILES)
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        for number in (signal.SIGPIPE, signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)

    return prepare

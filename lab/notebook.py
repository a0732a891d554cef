"""The cell magic ``%%vm``: a cell that holds shell lines as one types them on the machine."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from lab.classroom.report import begun
from lab.errors import LabError, UnknownName

if TYPE_CHECKING:
    from lab.host import Host

HostSource = Callable[[str | None], "Host"]
"""Gives the host of a lab by its name, or of the current lab."""


class Options(argparse.ArgumentParser):
    """Reads the options after ``%%vm``; a mistake is a `LabError`, not the end of the kernel."""

    def __init__(self) -> None:
        super().__init__(prog="%%vm", add_help=False, allow_abbrev=False)
        self.add_argument("--as", dest="as_user", metavar="USER")
        self.add_argument("--timeout", type=float, default=600.0, metavar="SECONDS")
        self.add_argument("--stdin", metavar="NAME")
        self.add_argument("--lab", metavar="NAME")

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and how it is used."""
        raise LabError(f"%%vm: {message}", " ".join(self.format_usage().split()))


def current_host(name: str | None) -> Host:
    """Host of the named lab, else of the one this notebook brought up."""
    from lab.lab import Lab  # lab.lab needs lab.host, and `import lab` registers us: not at the top

    return (Lab(name) if name else Lab.current()).host


def register(source: HostSource = current_host) -> None:
    """Make ``%%vm`` known to the IPython this runs in; outside IPython do nothing."""
    try:
        from IPython.core.getipython import get_ipython
    except ModuleNotFoundError:
        return
    shell: Any = get_ipython()
    if shell is not None:
        shell.register_magic_function(_magic(shell, source), "cell", "vm")
        begun()


def _magic(shell: Any, source: HostSource) -> Callable[[str, str], None]:
    def vm(line: str, cell: str) -> None:
        options = _parsed(line)
        given = _variable(shell.user_ns, options.stdin) if options.stdin else None
        host = source(options.lab)
        host.script(cell, as_user=options.as_user, input=given, timeout=options.timeout)

    vm.__doc__ = f"Run the lines of this cell on the lab machine.\n\n{Options().format_usage()}"
    return vm


def _parsed(line: str) -> argparse.Namespace:
    options = Options()
    try:
        words = shlex.split(line)
    except ValueError as error:
        options.error(str(error).lower())
    return options.parse_args(words)


def _variable(names: dict[str, object], name: str) -> str | bytes:
    if name not in names:
        raise UnknownName("variable", name, [known for known in names if not known.startswith("_")])
    value = names[name]
    if not isinstance(value, str | bytes):
        raise LabError(
            f"%%vm --stdin {name}: a {type(value).__name__} is no input", "give it text or bytes"
        )
    return value

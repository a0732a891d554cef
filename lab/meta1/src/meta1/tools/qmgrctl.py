"""qmgrctl: look into the queue manager and tell it what to do."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from meta1.config import DEFAULT_FILE, ConfigError, load
from meta1.queue.control import COMMANDS
from meta1.tools.ask_qmgr import NoAnswer, ask

EX_REFUSED, EX_UNAVAILABLE, EX_CONFIG = 1, 69, 78


def parser() -> argparse.ArgumentParser:
    """The command line; the commands come from the table of qmgr itself."""
    width = max(map(len, COMMANDS))
    listing = "\n".join(f"  {name:<{width}}  {one.meaning}" for name, one in COMMANDS.items())
    line = argparse.ArgumentParser(
        prog="qmgrctl", description="Look into the queue manager and tell it what to do.",
        epilog=f"commands:\n{listing}", formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    line.add_argument("-f", dest="file", default=DEFAULT_FILE, metavar="FILE", help="meta1.conf")
    line.add_argument("command", choices=list(COMMANDS), metavar="COMMAND", help="see below")
    line.add_argument("ids", nargs="*", metavar="ID", help="ids of messages, or ALL")
    return line


def main(argv: list[str] | None = None) -> int:
    """Be the program qmgrctl."""
    options = parser().parse_args(argv)
    return run("qmgrctl", options.file, options.command, tuple(options.ids), show)


def run(
    program: str, file: str, command: str, ids: tuple[str, ...], show_line: Callable[[str], None]
) -> int:
    """Ask and turn the outcome into an exit status."""
    try:
        socket = load(Path(file)).spool("qmgr/control.sock")
        return 0 if ask(socket, command, ids, show_line) else EX_REFUSED
    except ConfigError as error:
        print(error, file=sys.stderr)
        return EX_CONFIG
    except NoAnswer as error:
        print(f"{program}: {error}", file=sys.stderr)
        return EX_UNAVAILABLE


def show(line: str) -> None:
    """Print a line; what stands before a tab is a column of its own."""
    name, tab, rest = line.partition("\t")
    print(f"{name:<27} {rest}" if tab else line)


if __name__ == "__main__":
    sys.exit(main())

"""mailq: show the queue, one block a message, as people who run mail servers know it."""

from __future__ import annotations

import argparse
import sys
import time

from meta1.config import DEFAULT_FILE
from meta1.tools.qmgrctl import run


def main(argv: list[str] | None = None) -> int:
    """Be the program mailq."""
    line = argparse.ArgumentParser(prog="mailq", description="Show the queue.")
    line.add_argument("-f", dest="file", default=DEFAULT_FILE, metavar="FILE", help="meta1.conf")
    options = line.parse_args(argv)
    table = Table(time.time())
    status = run("mailq", options.file, "list", (), table.show)
    if status == 0:
        print(table.summary)
    return status


class Table:
    """Prints lines of the command `list`, and counts."""

    def __init__(self, now: float) -> None:
        """Begin at nothing; `now` makes times relative."""
        self._now = now
        self._messages = 0
        self._bytes = 0

    @property
    def summary(self) -> str:
        """The last line."""
        if not self._messages:
            return "The queue is empty."
        return f"{_counted(self._messages, 'message')}, {_counted(self._bytes, 'byte')}"

    def show(self, line: str) -> None:
        """Print one line of the answer."""
        fields = line.split("\t")
        if line.startswith("\t") and len(fields) == 5:
            self._show_recipient(*fields[1:])
        elif len(fields) == 5:
            self._show_message(*fields)
        else:
            print(line)

    def _show_message(self, name: str, state: str, size: str, arrived: str, sender: str) -> None:
        """Print the head of a message."""
        self._messages += 1
        self._bytes += int(size)
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(float(arrived)))
        print(f"{name}  {state:<8} {size:>9}  {when}  {sender}")

    def _show_recipient(self, path: str, attempts: str, next_try: str, reply: str) -> None:
        """Print one recipient, and why it is still there."""
        wait = float(next_try) - self._now
        when = f", next in {_span(wait)}" if wait > 0 else ""
        print(f"    {path}  ({_counted(int(attempts), 'attempt')}{when})")
        if reply:
            print(f"        {reply}")


def _counted(number: int, word: str) -> str:
    """A number of things, in words."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _span(seconds: float) -> str:
    """A span of time in one unit."""
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"


if __name__ == "__main__":
    sys.exit(main())

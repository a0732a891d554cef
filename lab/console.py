"""What the commands print: progress on long work, colour only on a terminal, errors with their next step."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


@contextmanager
def working(title: str) -> Iterator[Callable[[str], None]]:
    """Show what long work is at: a spinner with the running time on a terminal, else a line for each step."""
    began = time.monotonic()
    if err.is_terminal:
        with err.status(escape(title)) as status:

            def show(step: str) -> None:
                status.update(
                    f"{escape(title)}: {escape(step)} [dim]{time.monotonic() - began:.0f} s[/dim]"
                )

            yield show
    else:

        def line(step: str) -> None:
            sys.stderr.write(f"{title}: {step}\n")  # in one piece: others may speak meanwhile
            sys.stderr.flush()

        yield line


def seconds(value: float) -> str:
    """A duration as people say it: ``0.8 s``, ``41 s``, ``3 min 5 s``."""
    if value < 10:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"

"""What the commands share: the group they belong to, the lab they act on, their exit codes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec

import click
from rich.markup import escape

from lab.chapters import Chapter, chapter, chapters
from lab.console import err
from lab.errors import LabError
from lab.lab import PROVIDERS, Lab
from lab.session import environment

P = ParamSpec("P")

# fmt: off
ORDER = (
    "up", "down", "status", "ssh", "run", "save", "restore",
    "reset", "goto", "check", "hint", "solve",
    "drift", "doctor", "bench",
)
# fmt: on
"""A day's work, as the help lists it."""

EPILOG = """\b
Exit codes: 0 fine, 1 the answer is no (drift, a check that fails),
2 something failed (a command, a notebook, wrong usage), 3 no lab to be had.

\b
Completion: eval "$(_LAB_COMPLETE=bash_source lab)"   (or zsh_source, fish_source)
"""


class Commands(click.Group):
    """Shows commands in the order of a day's work, and turns `LabError` into a line and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*ORDER, *(self.commands.keys() - ORDER)]

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except LabError as error:
            err.print(f"[bold red]lab:[/] {escape(str(error))}")
            sys.exit(error.exit_code)
        except OSError as error:
            # A full disk, a missing right: the system's own words are the clearest.
            where = f"{error.filename}: " if error.filename else ""
            err.print(f"[bold red]lab:[/] {escape(where)}{error.strerror or error}")
            sys.exit(2)


@click.group(
    cls=Commands,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--lab", "name", envvar="LAB_NAME", help="Which lab, if you have several.  [default: lab]"
)
@click.option(
    "--provider",
    type=click.Choice(list(PROVIDERS)),
    envvar="LAB_PROVIDER",
    help="What makes the machine.  [default: vagrant with hardware virtualisation, else container]",
)
@click.version_option(package_name="meta1-lab", prog_name="lab")
@click.pass_context
def main(ctx: click.Context, name: str | None, provider: str | None) -> None:
    """A mail server lab: one machine of your own, made, checked, reset and thrown away at will.

    \b
    lab up          make it          lab check 2    is chapter 2 done?
    lab ssh         log in           lab goto 3     start at chapter 3
    lab down        throw it away    lab drift      do the notebooks still tell the truth?
    """
    if name:
        ctx.with_resource(environment(LAB_NAME=name))  # the journal is that lab's, too
    ctx.obj = lambda: Lab(name, provider)


def with_lab(function: Callable[Concatenate[Lab, P], None]) -> Callable[P, None]:
    """Give a command the lab that the options name, as its first argument."""

    @wraps(function)
    def command(*args: P.args, **kwargs: P.kwargs) -> None:
        function(click.get_current_context().obj(), *args, **kwargs)

    return command


def chapter_argument(required: bool = True) -> Callable[..., Any]:
    """The argument CHAPTER: a number, a name, or a part of one; completes on the names."""

    def convert(_: click.Context, __: click.Parameter, value: str | None) -> Chapter | None:
        return chapter(value) if value else None

    def complete(_: click.Context, __: click.Parameter, start: str) -> list[str]:
        return [c.name for c in chapters() if c.name.startswith(start)]

    return click.argument("chapter", required=required, callback=convert, shell_complete=complete)


as_json = click.option("--json", "json_", is_flag=True, help="Print JSON, for scripts.")


def emit(value: object) -> None:
    """Print JSON."""
    click.echo(json.dumps(value, indent=2))

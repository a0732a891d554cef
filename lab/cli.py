"""The command `lab`: make a lab machine, work on it, check what is there, and keep the book true to it."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import click
from rich.markup import escape

from lab import console, session
from lab.chapters import Chapter, chapter, chapters
from lab.config import state_dir
from lab.console import err, out, seconds, working
from lab.errors import LabError
from lab.lab import FRESH, PROVIDERS, Lab, automatic, known_labs

P = ParamSpec("P")

EPILOG = """\b
Exit codes: 0 fine, 1 the answer is no (drift, a check that fails),
2 something failed (a command, a notebook, wrong usage), 3 no lab to be had.

\b
Completion: eval "$(_LAB_COMPLETE=bash_source lab)"   (or zsh_source, fish_source)
"""


class Commands(click.Group):
    """Shows commands in the order of a day's work, and turns `LabError` into a line and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except LabError as error:
            err.print(f"[bold red]lab:[/] {escape(str(error))}")
            sys.exit(error.exit_code)
        except OSError as error:  # a full disk, a missing right: the system's own words are the clearest
            where = f"{error.filename}: " if error.filename else ""
            err.print(f"[bold red]lab:[/] {escape(where)}{error.strerror or error}")
            sys.exit(2)


@click.group(cls=Commands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--lab", "name", envvar="LAB_NAME", help="Which lab, if you have several.  [default: lab]")
@click.option("--provider", type=click.Choice(list(PROVIDERS)), envvar="LAB_PROVIDER",
              help="What makes the machine.  [default: vagrant with hardware virtualisation, else container]")
@click.version_option(package_name="meta1-lab", prog_name="lab")
@click.pass_context
def main(ctx: click.Context, name: str | None, provider: str | None) -> None:
    """A mail server lab: one machine of your own, made, checked, reset and thrown away at will.

    \b
    lab up          make it          lab check 2    is chapter 2 done?
    lab ssh         log in           lab goto 3     start at chapter 3
    lab down        throw it away    lab drift      do the notebooks still tell the truth?
    """
    ctx.obj = lambda: Lab(name, provider)


def with_lab(function: Callable[P, None]) -> Callable[..., None]:
    """Give a command the lab that the options name, as its first argument."""

    @click.pass_obj
    @wraps(function)
    def command(make: Callable[[], Lab], *args: P.args, **kwargs: P.kwargs) -> None:
        function(make(), *args, **kwargs)  # type: ignore[arg-type]

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


@main.command()
@with_lab
def up(lab: Lab) -> None:
    """Make the machine, or leave it as it is if it runs."""
    began = time.monotonic()
    with working(f"lab {lab.name}") as progress:
        lab.up(progress)
    status = lab.status()
    out.print(f"lab {lab.name} is up ({status.provider}, {seconds(time.monotonic() - began)})")


@main.command()
@click.option("--all", "every", is_flag=True, help="Every lab of this checkout.")
@with_lab
def down(lab: Lab, every: bool) -> None:
    """Throw the machine away with its checkpoints; cleans up after anything that was interrupted."""
    for each in [Lab(name) for name in known_labs()] if every else [lab]:
        with working(f"lab {each.name}") as progress:
            progress("removing")
            each.down()
        out.print(f"lab {each.name} is gone")


@main.command()
@as_json
@with_lab
def status(lab: Lab, json_: bool) -> None:
    """Say which labs there are and whether they run; exit code 3 if yours does not."""
    labs = [Lab(name) for name in sorted({*known_labs(), lab.name})]
    states = [(each.name, each.status()) for each in labs]
    if json_:
        emit([{"lab": name, **asdict(state)} for name, state in states])
    else:
        for name, state in states:
            out.print(f"{name:<12} {state.state:<8} {state.provider:<10} {escape(state.detail)}".rstrip())
    sys.exit(0 if dict(states)[lab.name].state == "running" else 3)


@main.command()
@click.argument("command", nargs=-1)
@with_lab
def ssh(lab: Lab, command: tuple[str, ...]) -> None:
    """Log in, or run COMMAND, with the ordinary ssh client."""
    endpoint = lab.provider().endpoint()
    proxy = f"{sys.executable} -m lab --lab {lab.name} dial"
    options = {"ProxyCommand": proxy, "IdentityFile": str(endpoint.key_file), "IdentitiesOnly": "yes",
               "UserKnownHostsFile": str(endpoint.known_hosts), "GlobalKnownHostsFile": "/dev/null",
               "StrictHostKeyChecking": "yes", "LogLevel": "ERROR"}
    argv = ["ssh", "-F", "none", *(f"-o{key}={value}" for key, value in options.items()),
            "-p", str(endpoint.port), f"{endpoint.user}@{endpoint.host}", *command]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(session.ROOT), os.environ.get("PYTHONPATH")]))
    try:
        os.execvp("ssh", argv)
    except FileNotFoundError as error:
        raise LabError("the ssh client is missing", "sudo apt-get install openssh-client") from error


@main.command(hidden=True)
@with_lab
def dial(lab: Lab) -> None:
    """Join standard input and output to the machine's sshd: what `lab ssh` gives ssh as its ProxyCommand."""
    session.relay(lab.provider().connect())


@main.command(context_settings={"ignore_unknown_options": True})
@click.option("--as", "user", metavar="USER", help="Run as this user, e.g. root.")
@click.option("--timeout", type=float, default=600, show_default=True, help="Seconds until it is ended.")
@click.argument("command", nargs=-1, required=True)
@with_lab
def run(lab: Lab, user: str | None, timeout: float, command: tuple[str, ...]) -> None:
    """Run COMMAND on the machine; its output as it comes, its exit code as ours."""
    def show(text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()

    result = lab.host.stream(" ".join(command), as_user=user, timeout=timeout, on_output=show, check=False)
    sys.exit(result.code)


@main.command()
@chapter_argument(required=False)
@with_lab
def reset(lab: Lab, chapter: Chapter | None) -> None:
    """Back to the fresh machine, or to how CHAPTER found it."""
    began = time.monotonic()
    if chapter:
        with working(f"chapter {chapter.name}") as progress:
            session.Session(lab, progress).goto(chapter)
    else:
        lab.restore(FRESH)
    out.print(f"lab {lab.name} is as {'chapter ' + chapter.name + ' finds it' if chapter else 'it first came up'}"
              f" ({seconds(time.monotonic() - began)})")


@main.command()
@click.argument("name")
@with_lab
def save(lab: Lab, name: str) -> None:
    """Keep the whole machine as it is now under NAME."""
    began = time.monotonic()
    lab.save(name)
    out.print(f"saved {name} ({seconds(time.monotonic() - began)})")


@main.command()
@click.argument("name", required=False)
@as_json
@with_lab
def restore(lab: Lab, name: str | None, json_: bool) -> None:
    """Put the machine back to NAME; without NAME, list what is saved."""
    if name is None:
        names = lab.names()
        emit(names) if json_ else out.print("\n".join(names) or "nothing is saved")
        return
    began = time.monotonic()
    lab.restore(name)
    out.print(f"restored {name} ({seconds(time.monotonic() - began)})")


@main.command()
@chapter_argument()
@as_json
@with_lab
def check(lab: Lab, chapter: Chapter, json_: bool) -> None:
    """Is CHAPTER done? Every check of it, with what is not yet as it should be."""
    found: list[dict[str, object]] = []
    for each, failure in session.run_checks(lab.host, chapter):
        found.append({"check": each.what, "ok": failure is None, "why": str(failure or "")})
        if not json_:
            mark = "[green]ok  [/]" if failure is None else "[red]no  [/]"
            out.print(f"{mark} {escape(each.what)}" + (f"\n     expected {escape(failure.expected)}, found {escape(failure.found)}" if failure else ""))
    missing = sum(not f["ok"] for f in found)
    if json_:
        emit(found)
    elif missing:
        out.print(f"{missing} of {len(found)} to do; `lab hint {chapter.number}` helps with the first")
    sys.exit(1 if missing else 0)


@main.command()
@chapter_argument()
@with_lab
def hint(lab: Lab, chapter: Chapter) -> None:
    """A nudge towards the first thing that CHAPTER still misses."""
    for each, failure in session.run_checks(lab.host, chapter):
        if failure:
            out.print(f"{escape(each.what)}: {escape(each.hint)}")
            return
    out.print(f"nothing is missing in {chapter.name}")


@main.command()
@chapter_argument()
@with_lab
def solve(lab: Lab, chapter: Chapter) -> None:
    """Do CHAPTER for you: run its notebook on the machine as it stands."""
    with working(f"chapter {chapter.name}") as progress:
        session.Session(lab, progress).solve(chapter)
    out.print(f"{chapter.name} is done; `lab check {chapter.number}` looks at it")


@main.command()
@chapter_argument()
@with_lab
def goto(lab: Lab, chapter: Chapter) -> None:
    """Be where CHAPTER begins, whatever was done before; makes the earlier chapters' state if need be."""
    began = time.monotonic()
    with working(f"lab {lab.name}") as progress:
        lab.up(progress)
        session.Session(lab, progress).goto(chapter)
    out.print(f"ready for {chapter.name} ({seconds(time.monotonic() - began)})")


@main.command()
@as_json
def doctor(json_: bool) -> None:
    """What each provider needs on this host, what is missing, and the command that mends it."""
    findings = {name: kind.doctor() for name, kind in PROVIDERS.items()}
    if json_:
        emit({name: [asdict(f) for f in found] for name, found in findings.items()})
    else:
        for name, found in findings.items():
            out.print(f"[bold]{name}[/]")
            for f in found:
                out.print(f"  {'[green]ok  [/]' if f.ok else '[red]no  [/]'} {escape(f.what)}"
                          + ("" if f.ok else f"\n       {escape(f.mend)}"))
    choice = automatic()
    if not json_:
        out.print(f"`lab up` would take: {choice}")


@main.command()
@with_lab
@click.argument("what", type=click.Choice(["run", "providers", "drift"]))
@as_json
def bench(lab: Lab, what: str, json_: bool) -> None:
    """Measure: a command's round trip, the providers' times, the drift check against a plain script."""
    from lab.bench import BENCHES, table

    with working("bench") as progress:
        figures = BENCHES[what](lab, progress)
    emit(figures) if json_ else out.print(table(figures))


@main.command()
@with_lab
@click.argument("names", metavar="[CHAPTER]...", nargs=-1)
@click.option("--update", is_flag=True, help="Store what drifted; an output that says the same keeps its bytes.")
@click.option("--force", is_flag=True, help="Also run what has not changed since it was last found the same.")
@click.option("--prove", is_flag=True, help="Instead: prove that each chapter's checks fail before it and pass after it.")
@click.option("--canonical", is_flag=True, help="Instead: bring the notebooks into their stored form; needs no lab.")
@click.option("--check", "only_look", is_flag=True, help="With --canonical: change nothing, list what is wrong.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for reports.  [default: .lab/drift]")
@as_json
def drift(lab: Lab, names: tuple[str, ...], update: bool, force: bool, prove: bool, canonical: bool,
          only_look: bool, out: Path | None, json_: bool) -> None:
    """Run the notebooks on the lab and compare what they print with what is stored.

    Reports are written as junit.xml, report.json and summary.md. A notebook that was found the same, and of
    which nothing has changed since, is not run again.
    """
    chosen = [chapter(name) for name in names] or list(chapters())
    if canonical:
        sys.exit(drift_form(chosen, only_look))
    if prove:
        sys.exit(drift_proof(lab))
    from lab.drift import report
    from lab.drift.progress import shown
    from lab.drift.run import run as check_all

    os.environ["LAB_NAME"] = lab.name  # the notebooks' kernels ask it
    with shown(err) as progress:
        outcome = check_all([c.notebook for c in chapters()], only=[c.name for c in chosen] if names else None,
                            lab=session.Session(lab, lambda step: err.print(escape(step))),
                            out=out or state_dir() / "drift" / lab.name, update=update, force=force, progress=progress)
    click.echo(report.as_json(outcome) if json_ else report.text(outcome))
    sys.exit(outcome.exit_code)


def drift_form(chosen: list[Chapter], only_look: bool) -> int:
    """Bring notebooks into their stored form, or list what keeps them from it."""
    from lab.drift.canonical import advice, canonicalise
    from lab.drift.canonical import canonical as problems

    found = []
    for each in chosen:
        if not only_look and canonicalise(each.notebook):
            out.print(f"{each.name}: rewritten")
        found += [f"{each.name}: {line}" for line in [*problems(each.notebook), *advice(each.notebook)]]
    for line in found:
        out.print(escape(line))
    return 1 if found else 0


def drift_proof(lab: Lab) -> int:
    """Prove the chapters' checks."""
    with working(f"lab {lab.name}") as progress:
        found = list(session.prove(lab, progress))
    for each, what in found:
        out.print(f"{each.name}: {escape(what)}")
    count = sum(len(c.checks) for c in chapters())
    out.print(f"{len(found)} wrong among {count} checks of {len(chapters())} chapters, each asked before, after and after a reset")
    return 1 if found else 0

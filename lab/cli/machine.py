"""Commands for the machine itself: make it, reach it, keep its state, throw it away."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import asdict

import click
from rich.markup import escape

from lab.cli.base import as_json, emit, main, with_lab
from lab.config import ROOT
from lab.console import out, seconds, working
from lab.errors import LabError
from lab.lab import Lab, known_labs
from lab.session import relay


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
            out.print(
                f"{name:<12} {state.state:<8} {state.provider:<10} {escape(state.detail)}".rstrip()
            )
    sys.exit(0 if dict(states)[lab.name].state == "running" else 3)


@main.command()
@click.argument("command", nargs=-1)
@with_lab
def ssh(lab: Lab, command: tuple[str, ...]) -> None:
    """Log in, or run COMMAND, with the ordinary ssh client."""
    endpoint = lab.provider().endpoint()
    proxy = f"{sys.executable} -m lab --lab {lab.name} dial"
    options = {
        "ProxyCommand": proxy,
        "IdentityFile": str(endpoint.key_file),
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": str(endpoint.known_hosts),
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "LogLevel": "ERROR",
    }
    argv = [
        "ssh",
        "-F",
        "none",
        *(f"-o{key}={value}" for key, value in options.items()),
        "-p",
        str(endpoint.port),
        f"{endpoint.user}@{endpoint.host}",
        *command,
    ]
    os.environ["PYTHONPATH"] = os.pathsep.join(
        filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])
    )
    try:
        os.execvp("ssh", argv)
    except FileNotFoundError as error:
        raise LabError(
            "the ssh client is missing", "sudo apt-get install openssh-client"
        ) from error


@main.command(hidden=True)
@with_lab
def dial(lab: Lab) -> None:
    """Join standard input and output to the machine's sshd: what `lab ssh` gives ssh as its ProxyCommand."""
    relay(lab.provider().connect())


@main.command(context_settings={"ignore_unknown_options": True})
@click.option("--as", "user", metavar="USER", help="Run as this user, e.g. root.")
@click.option(
    "--timeout", type=float, default=600, show_default=True, help="Seconds until it is ended."
)
@click.argument("command", nargs=-1, required=True)
@with_lab
def run(lab: Lab, user: str | None, timeout: float, command: tuple[str, ...]) -> None:
    """Run COMMAND on the machine; its output as it comes, its exit code as ours."""

    def show(text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()

    result = lab.host.stream(
        " ".join(command), as_user=user, timeout=timeout, on_output=show, check=False
    )
    sys.exit(result.code)


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

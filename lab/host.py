"""The lab machine as a notebook works on it: run commands, put and get files, talk with programs.

Each call is a new shell that starts in the home directory of the user who logs in, also where
somebody else runs it: no `cd` and no variable outlives its call. Commands take arguments as ``%s``,
quoted for the shell, so that nobody builds command lines from strings.
"""

from __future__ import annotations

import socket
import sys
import time
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterator
from pathlib import Path

import paramiko

from lab.config import patient
from lab.connection import Connection
from lab.dialog import Dialog
from lab.errors import CommandFailed, CommandTimeout
from lab.providers.base import Endpoint
from lab.result import Result
from lab.running import Port, Running
from lab.script import FailedLine, fill, guarded
from lab.show import real_file

OnOutput = Callable[[str], None]
PAUSE = 0.1
"""Seconds between two tries of `wait_for`."""


def print_live(text: str) -> None:
    """Print output as it comes, whatever `sys.stdout` is by then."""
    sys.stdout.write(text)
    sys.stdout.flush()


class Host:
    """One machine, reached over one SSH connection that is kept, and remade if it died while idle.

    `as_user` runs a command as somebody else, through sudo. Two threads may use one host at once.
    """

    def __init__(self, endpoint: Endpoint, connect: Callable[[], socket.socket]) -> None:
        self.endpoint = endpoint
        self.connection = Connection(endpoint, connect)

    def run(
        self,
        command: str,
        *args: object,
        as_user: str | None = None,
        input: bytes | str | None = None,
        timeout: float = 60.0,
        check: bool = True,
    ) -> Result:
        """Run a command and return what it did. Raises `CommandFailed` unless it ended with code 0.

        ``%s`` stands for one argument each, ``%%`` for a percent sign; without arguments the text
        is literal. Raises `CommandTimeout` and ends the command if it takes too long.
        """
        command = fill(command, args)
        code, out, err, seconds = self._whole(command, as_user, input, timeout)
        return _checked(Result(command, code, _text(out), _text(err), seconds), check)

    def stream(
        self,
        command: str,
        *args: object,
        as_user: str | None = None,
        input: bytes | str | None = None,
        timeout: float = 600.0,
        on_output: OnOutput | None = print_live,
        check: bool = True,
    ) -> Result:
        """Run a long command and hand over its output as it comes, both streams as written."""
        command = fill(command, args)
        running = Running(self.connection, command, timeout, self._other(as_user))
        with running.start(merge=True):
            said = _collect(_live(running, input), on_output)
            result = Result(command, running.code(), said, "", time.monotonic() - running.started)
        return _checked(result, check, shown=on_output is not None)

    def script(
        self,
        text: str,
        as_user: str | None = None,
        input: bytes | str | None = None,
        timeout: float = 600.0,
        on_output: OnOutput | None = print_live,
        check: bool = True,
    ) -> Result:
        """Run lines of shell as one types them, up to the first that fails; else like `stream`."""
        failed = FailedLine()
        running = Running(self.connection, text, timeout, self._other(as_user))
        with running.start(guarded(text), merge=True):
            said = _collect(failed.removed_from(_live(running, input)), on_output)
            result = Result(text, running.code(), said, "", time.monotonic() - running.started)
        return _checked(result, check, failed.number, shown=on_output is not None)

    def dialog(
        self,
        command: str,
        *args: object,
        as_user: str | None = None,
        timeout: float = 60,
        pty: bool = True,
        echo: bool = True,
    ) -> Dialog:
        """Start a program and talk with it line by line; `echo` prints who said what."""
        running = Running(self.connection, fill(command, args), timeout, self._other(as_user))
        return Dialog(running.start(merge=True, pty=pty), timeout, echo=echo, pty=pty)

    def talk(self, port: int, timeout: float = 60, echo: bool = True) -> Dialog:
        """Talk with a port of the machine line by line, each line ended by CR LF."""
        return Dialog(Port(self.connection, port, timeout), timeout, echo=echo, eol="\r\n")

    def put(
        self,
        data: bytes | str | Path,
        path: str,
        owner: str = "root",
        group: str = "root",
        mode: str = "0644",
    ) -> None:
        """Write a file on the machine, as root, and the folders above it where they are missing."""
        content = data.read_bytes() if isinstance(data, Path) else _bytes(data)
        # -T: a path that is a folder is a mistake, not a place for a file called "stdin".
        self.run(
            "install -D -T -o %s -g %s -m %s /dev/stdin %s",
            owner,
            group,
            mode,
            path,
            as_user="root",
            input=content,
        )

    def install(
        self, name: str, owner: str = "root", group: str = "root", mode: str = "0644"
    ) -> None:
        """Put a file of ``lab/files`` at its place on the machine."""
        self.put(real_file(name), f"/{name.removeprefix('/')}", owner, group, mode)

    def get(self, path: str, as_user: str | None = None) -> bytes:
        """Content of a file on the machine."""
        command = fill("cat -- %s", (path,))
        code, out, err, seconds = self._whole(command, as_user, None, 60.0)
        _checked(Result(command, code, "", _text(err), seconds), check=True)
        return out

    def wait_for(
        self, command: str, *args: object, timeout: float = 60, as_user: str | None = None
    ) -> Result:
        """Run a command until it ends with code 0. Raises `CommandTimeout` if it never does."""
        deadline = time.monotonic() + patient(timeout)
        while True:
            result = self.run(
                command,
                *args,
                as_user=as_user,
                check=False,
                timeout=max(1.0, deadline - time.monotonic()),
            )
            if result.ok:
                return result
            if time.monotonic() + PAUSE > deadline:
                raise CommandTimeout(result.command, timeout, f"{result.stdout}{result.stderr}")
            time.sleep(PAUSE)

    def dial(self, port: int) -> paramiko.Channel:
        """A byte stream to a port on the machine's own loopback; no port on this host is needed."""
        return self.connection.dial(port)

    def close(self) -> None:
        """End the connection; the next call makes a new one."""
        self.connection.close()

    def _other(self, as_user: str | None) -> str | None:
        """The user to become, if it is not the one who logs in anyway."""
        return None if as_user == self.endpoint.user else as_user

    def _whole(
        self, command: str, as_user: str | None, input: bytes | str | None, timeout: float
    ) -> tuple[int, bytes, bytes, float]:
        running = Running(self.connection, command, timeout, self._other(as_user))
        with running.start():
            running.feed(_bytes(input or b""))
            out, err = running.streams()
            return running.code(), out, err, time.monotonic() - running.started


def _live(running: Running, input: bytes | str | None) -> Iterator[str]:
    """Output as text while it comes, never cutting a character in two."""
    running.feed(_bytes(input or b""))
    decoder = getincrementaldecoder("utf-8")("backslashreplace")
    for data in running.chunks():
        if text := decoder.decode(data):
            yield text
    if rest := decoder.decode(b"", final=True):
        yield rest


def _collect(pieces: Iterator[str], on_output: OnOutput | None) -> str:
    said = []
    for text in pieces:
        said.append(text)
        if on_output:
            on_output(text)
    return "".join(said)


def _checked(result: Result, check: bool, line: int = 0, shown: bool = False) -> Result:
    if check and not result.ok:
        raise CommandFailed(result, line, shown)
    return result


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


def _bytes(data: bytes | str) -> bytes:
    return data.encode() if isinstance(data, str) else data

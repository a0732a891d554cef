"""Asking the broker: what the provider in a sandbox, the spawner, the instructor's page and `lab class` share."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

from lab.classroom.protocol import MOST_ANSWER, decode, encode
from lab.errors import LabError, NotUp

VARIABLE = "LAB_BROKER"
"""In a trainee's sandbox: path of the socket."""
SECONDS = 900.0
"""The longest wait for a line: a machine may stand in a queue behind those of a whole class."""
START_SECONDS = 5.0
"""How long a broker may take that is just being started again."""


class Broker:
    """One of the broker's sockets. Methods raise `NotUp` if nobody answers there, else the `LabError` of the answer."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def of_sandbox(cls) -> Broker | None:
        """The socket that $LAB_BROKER names; None outside a class."""
        path = os.environ.get(VARIABLE)
        return cls(Path(path)) if path else None

    def ask(
        self,
        do: str,
        progress: Callable[[Any], None] = lambda _: None,
        seconds: float = SECONDS,
        wait: float = START_SECONDS,
        **arguments: object,
    ) -> Any:
        """Result of a request; what is said meanwhile goes to `progress`."""
        with self._asked(do, arguments, seconds, wait) as lines:
            return _result(lines, progress)

    def says(
        self, do: str, seconds: float | None = None, **arguments: object
    ) -> Generator[Any, None, None]:
        """What is said in answer to a request, as it comes; for `watch`, for ever."""
        with self._asked(do, arguments, seconds) as lines:
            for line in lines:
                if "ok" in line:
                    return
                yield line["say"]

    def connect(self, seconds: float = 60.0) -> socket.socket:
        """A fresh stream to sshd of the trainee's machine."""
        with self._asked("connect", {}, seconds) as lines:
            _result(lines, lambda _: None)
            next(lines, None)
            if lines.passed is None:
                raise NotUp("the broker passed no connection to the machine", "lab status")
            stream, lines.passed = socket.socket(fileno=lines.passed), None
            return stream

    @contextlib.contextmanager
    def _asked(
        self,
        do: str,
        arguments: dict[str, object],
        seconds: float | None,
        wait: float = START_SECONDS,
    ) -> Iterator[_Lines]:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
            stream.settimeout(seconds)
            lines = _Lines(stream)
            try:
                _dial(stream, self.path, wait)
                stream.sendall(encode({"do": do, **arguments}))
                yield lines
            except TimeoutError as error:
                raise LabError(
                    f"the broker of the class said nothing for {seconds:.0f} s", "lab status"
                ) from error
            except OSError as error:
                raise NotUp(
                    f"the broker of the class does not answer: {error.strerror or error}",
                    "try again in a moment; tell the instructor if it stays so",
                ) from error
            finally:
                lines.close()


class _Lines:
    """The lines that come on a stream, decoded; keeps a descriptor that came with one in `passed`."""

    def __init__(self, stream: socket.socket) -> None:
        self._stream = stream
        self._rest = b""
        self.passed: int | None = None

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> dict[str, Any]:
        while b"\n" not in self._rest:
            if len(self._rest) > MOST_ANSWER:
                raise LabError("the broker's answer has no end", "lab class status")
            data, descriptors, _, _ = socket.recv_fds(self._stream, 1 << 16, 1)
            for each in descriptors:
                self.close()
                self.passed = each
            if not data:
                raise StopIteration
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        return decode(line)

    def close(self) -> None:
        """Drop a descriptor that nobody took."""
        if self.passed is not None:
            os.close(self.passed)
            self.passed = None


def _result(lines: _Lines, progress: Callable[[Any], None]) -> Any:
    for line in lines:
        if "ok" in line:
            return line["ok"]
        progress(line.get("say"))
    raise NotUp("the broker of the class hung up", "try again in a moment")


def _dial(stream: socket.socket, path: Path, wait: float) -> None:
    """Connect; where nobody answers yet, try again for `wait` seconds."""
    deadline = time.monotonic() + wait
    while True:
        try:
            # Through the folder's descriptor: a socket's path may have no more than 107 bytes.
            folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
            try:
                return stream.connect(f"/proc/self/fd/{folder}/{path.name}")
            finally:
                os.close(folder)
        except (ConnectionRefusedError, FileNotFoundError):
            if time.monotonic() > deadline:
                raise
        time.sleep(0.1)

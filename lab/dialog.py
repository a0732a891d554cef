"""A talk with a program or a port, line by line, printed so that a reader sees who said what."""

from __future__ import annotations

import re
import time
from codecs import getincrementaldecoder
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from lab.config import patient
from lab.errors import CommandTimeout, LabError
from lab.running import GRACE, Running

SETTLE = 0.2
"""Seconds of silence after which text without a line end counts as a prompt, not as half a line."""
QUICK = 0.03
"""The same where the text that was expected stands at its end and ends as prompts do."""
PROMPT_ENDS = (">", ":", "#", "$", "?", "%")
END_OF_INPUT = b"\x04"
SHOWN = 100
"""A longer line is cut where it is printed; the transcript and `expect` have all of it."""


class Dialog:
    """Says and expects lines; use it as ``with vm.dialog("telnet localhost 25") as smtp:``.

    What the other side says is printed as ``S: ...`` when `expect` passes it, what we say as
    ``C: ...``.
    """

    def __init__(
        self,
        running: Running,
        timeout: float,
        echo: bool = True,
        eol: str = "\n",
        pty: bool = False,
    ) -> None:
        self.transcript: list[str] = []
        self._running = running
        self._timeout = timeout
        self._echo = echo
        self._eol = eol
        self._pty = pty
        self._decoder = getincrementaldecoder("utf-8")("backslashreplace")
        self._text = ""
        self._ended = False
        self._said: list[str] = []
        self._answered = False

    def expect(self, pattern: str, timeout: float | None = None, brief: bool = False) -> str:
        """Read on to the first line, or waiting prompt, that a regular expression is found in.

        `brief` prints only that line, and leaves out what came before it.
        """
        wanted = re.compile(pattern)
        until = self._until(timeout)
        while True:
            for line in self._lines(shown=wanted if brief else None):
                if wanted.search(line):
                    return line
            if self._ended:
                self._prompt()
                raise LabError(
                    f"the other side ended before it said {pattern!r}", "read its last lines above"
                )
            if found := wanted.search(self._text):
                if not self._more(min(until, time.monotonic() + _settle(self._text, found.end()))):
                    return self._prompt()
            elif not self._more(until):
                raise self._late(repr(pattern), timeout)

    def say(self, line: str, secret: bool = False, eol: str | None = None) -> Self:
        """Send a line, or several; a secret one is printed as asterisks."""
        end = self._eol if eol is None else eol
        for each in line.split("\n"):
            self._note("C", "********" if secret else each)
            if self._pty:
                self._said.append(each)
            self._running.deadline = self._until(None)
            self._running.send((each + end).encode())
        return self

    def expect_eof(self, timeout: float | None = None) -> int:
        """Read on until the other side ends; return its exit code."""
        until = self._until(timeout)
        while not self._ended:
            self._pass_lines()
            if not self._more(until):
                raise self._late("end", timeout)
        self._pass_lines()
        self._prompt()
        self._running.deadline = until
        return self._running.code()

    def close(self) -> int:
        """End the talk and the program; return its exit code, -1 if it has none. Prints nothing."""
        channel = self._running.channel
        try:
            channel.settimeout(GRACE)
            channel.sendall(END_OF_INPUT) if self._pty else channel.shutdown_write()
        except OSError:
            pass  # it has ended already
        if not channel.status_event.wait(GRACE) and not self._pty:
            self._running.end()
        channel.close()  # with a terminal this hangs up on the program
        return channel.exit_status

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._pty:
            self._running.channel.close()  # the terminal hangs up; nobody asks for the exit code
        else:
            self.close()

    # -- inside ------------------------------------------------------------------------------------

    def _until(self, timeout: float | None) -> float:
        return time.monotonic() + patient(self._timeout if timeout is None else timeout)

    def _more(self, until: float) -> bool:
        """Take in what arrives next; False if nothing does in time."""
        try:
            data = self._running.receive(self._running.channel.recv, until)
        except TimeoutError:
            return False
        self._ended = not data
        self._text += self._decoder.decode(data, final=self._ended).replace("\r", "")
        return True

    def _lines(self, shown: re.Pattern[str] | None = None) -> Iterator[str]:
        """Pass the complete lines that are there, one by one, printing all or those that match."""
        while "\n" in self._text:
            line, _, self._text = self._text.partition("\n")
            if not self._is_echo(line):
                self._note("S", line, silent=bool(shown and not shown.search(line)))
                yield line

    def _pass_lines(self) -> None:
        for _ in self._lines():
            pass

    def _prompt(self) -> str:
        """Pass the text that has no line end."""
        line, self._text = self._text, ""
        if line:
            self._answered = True
            self._note("S", line)
        return line

    def _is_echo(self, line: str) -> bool:
        """A terminal repeats what we say; after a password it gives no more than a line end.

        The terminal's echo stays on: telnet, and all that use readline, would turn it on anyway.
        """
        answered, self._answered = self._answered, False
        if line in self._said:
            del self._said[: self._said.index(line) + 1]
            return True
        return answered and not line

    def _note(self, who: str, line: str, silent: bool = False) -> None:
        self.transcript.append(f"{who}: {line}".rstrip())
        if self._echo and not silent:
            print(_cut(self.transcript[-1]), flush=True)

    def _late(self, missing: str, timeout: float | None) -> CommandTimeout:
        said = "\n".join([*self.transcript, self._text])
        seconds = self._timeout if timeout is None else timeout
        return CommandTimeout(self._running.command, seconds, said, "", missing)


def _cut(line: str) -> str:
    return line if len(line) <= SHOWN else f"{line[: SHOWN - 4]} ..."


def _settle(text: str, found_until: int) -> float:
    """How long a text without a line end must stand before it counts as a prompt."""
    end = text.rstrip()
    return QUICK if found_until >= len(end) and end.endswith(PROMPT_ENDS) else SETTLE

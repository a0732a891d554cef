"""One command on the machine, from its start to its end, every wait of it bounded.

Owns the channel of one command. `Host` turns what comes out into results, `Dialog` talks with it.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator
from shlex import quote
from types import TracebackType
from typing import Self

import paramiko
from paramiko.common import cMSG_CHANNEL_REQUEST

from lab.config import patient
from lab.connection import RESUME, Connection
from lab.errors import CommandTimeout, ConnectionLost, shorten

CHUNK = 32768
ALL = 2**31
"""Paramiko copies what is left of a buffer after each read, so we always take the whole of it."""
GRACE = 1.5
"""Seconds for a command to end after it was told to."""
HELD = "a process left in the background holds the output: start it with  >/dev/null 2>&1 &"
WIDTH = 200
END_SESSION = """\
s=$(ps -o sid= -p "$({find} | paste -sd,)" | sort -u | tr -d ' ' | paste -sd,)
[ "$s" ] && {{ {sudo} pkill -TERM -s "$s"; sleep 1; {sudo} pkill -KILL -s "$s"; }}"""
"""Ends the whole session of some processes; sshd gives each command a session of its own."""
ONLY_OTHER = (
    "ps -o pid=,args= --ppid $PPID | grep -v 'ps -o sid=' | awk 'END { if (NR == 1) print $1 }'"
)
"""Finds what this connection runs, if it is only one command; such searches do not count."""

_serial = itertools.count(1)


class Running:
    """A command that runs; leave its ``with`` block by an exception and the machine ends it too."""

    def __init__(
        self, connection: Connection, command: str, seconds: float, as_user: str | None = None
    ) -> None:
        self.command = command
        self._connection = connection
        self._seconds = seconds
        self.user = as_user
        self._mark = f"lab-{os.getpid()}-{next(_serial)}-"
        self._out: list[bytes] = []
        self._err: list[bytes] = []
        self.started = time.monotonic()
        self.deadline = self.started + patient(seconds)
        self.channel = self._open()

    def _open(self) -> paramiko.Channel:
        return self._connection.session()

    # -- start -------------------------------------------------------------------------------------

    def start(self, shell: str | None = None, merge: bool = False, pty: bool = False) -> Self:
        """Have sshd run the command, or what stands for it, as the wanted user.

        Both streams come as one in the order written only if they are one pipe on the machine
        already; what the outermost shell itself complains of is merged here.
        """
        text = shell or self.command
        if self.user:
            text = as_other(self.user, self._mark, shell or f"bash -c {quote(self.command)}")
        if merge:
            self.channel.set_combine_stderr(True)
            text = f"exec 2>&1; {text}"
        try:
            if pty:
                # "dumb" keeps colours and cursor movements out of the transcript.
                self.channel.get_pty("dumb", WIDTH, 50)
            self.channel.exec_command(text)
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise self._lost() from error
        return self

    def feed(self, data: bytes) -> None:
        """Give the command its whole standard input."""
        try:
            for start in range(0, len(data), CHUNK):
                self.channel.settimeout(self._left())
                self.channel.sendall(data[start : start + CHUNK])
            self.channel.shutdown_write()
        except TimeoutError:
            raise self._late() from None
        except OSError:
            return  # it ended without reading all of it; its exit code tells whether that is wrong

    def send(self, data: bytes) -> None:
        """Give the command some input, more may follow."""
        if self.channel.status_event.is_set():
            raise self._gone()  # its channel stays open a moment longer, and would swallow this
        try:
            self.channel.settimeout(self._left())
            self.channel.sendall(data)
        except TimeoutError:
            raise self._late() from None
        except OSError:
            raise self._gone() from None

    # -- output ------------------------------------------------------------------------------------

    def chunks(self) -> Iterator[bytes]:
        """Standard output as it arrives, until its end."""
        while data := self.receive(self.channel.recv):
            self._out.append(data)
            yield data

    def streams(self) -> tuple[bytes, bytes]:
        """Everything on both streams, each for itself. Large output on either holds up neither."""
        while data := self.receive(self.channel.recv):
            self._out.append(data)
        while data := self.receive(self.channel.recv_stderr):
            self._err.append(data)
        return b"".join(self._out), b"".join(self._err)

    def receive(self, source: Callable[[int], bytes], until: float | None = None) -> bytes:
        """What has arrived, b"" at the end; by the deadline, or `until` (then a `TimeoutError`)."""
        try:
            self.channel.settimeout(
                self._left() if until is None else max(0.0, until - time.monotonic())
            )
            return source(ALL)
        except TimeoutError:
            if until is None:
                raise self._late() from None
            raise

    def code(self) -> int:
        """Exit code, once the command ended; -1 if a signal ended it."""
        if not self.channel.status_event.wait(self._left()):
            raise self._late()
        if self.channel.exit_status == -1 and self._is_lost():
            raise self._lost()
        return self.channel.exit_status

    # -- end ---------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None and not self.channel.status_event.is_set():
            self.end()
        self.channel.close()

    def end(self) -> None:
        """Have the machine end the command and all it started, first politely.

        Closing the channel alone would only take its output away.
        """
        needs_help = self.user is not None or self._connection.endpoint.user == "root"
        helper = self._end_by_session() if needs_help else None
        for name in ("TERM", "KILL"):
            if not needs_help:
                _signal(self.channel, name)
            if self.channel.status_event.wait(GRACE):
                break
        if helper:
            helper.close()

    def _end_by_session(self) -> paramiko.Channel | None:
        """End it from a second session: sshd signals neither another user's processes nor root's.

        A command under sudo is found by its mark; root's own is the one other that this
        connection runs.
        """
        # The brackets keep it from finding itself.
        sudo, find = "sudo -n", f"pgrep -f '[l]{self._mark[1:]}'"
        if self.user is None:
            sudo, find = "", ONLY_OTHER
        try:
            channel = self._connection.session()
            channel.exec_command(END_SESSION.format(find=find, sudo=sudo))
        except (ConnectionLost, paramiko.SSHException, EOFError, OSError):
            return None  # the machine is gone, and the command with it
        return channel

    # -- what went wrong ---------------------------------------------------------------------------

    def _left(self) -> float:
        return max(0.0, self.deadline - time.monotonic())

    def _late(self) -> CommandTimeout:
        """The time-out, with what was printed; if the command has ended, something else held on."""
        held = HELD if self.channel.status_event.is_set() else ""
        while self.channel.recv_stderr_ready():
            self._err.append(self.channel.recv_stderr(ALL))
        said = b"".join(self._out + self._err).decode(errors="backslashreplace")
        return CommandTimeout(self.command, self._seconds, said, held)

    def _is_lost(self) -> bool:
        # A dying transport closes its channels a moment before it says that it is not active.
        self.channel.get_transport().join(0.2)
        return not self.channel.get_transport().is_active()

    def _gone(self) -> ConnectionLost:
        if self._is_lost():
            return self._lost()
        return ConnectionLost(
            f"it has ended already: {shorten(self.command)}", "read its last lines", self.command
        )

    def _lost(self) -> ConnectionLost:
        return ConnectionLost(
            f"the connection to the machine was lost while it ran: {shorten(self.command)}",
            RESUME,
            self.command,
        )


def as_other(user: str, mark: str, shell: str) -> str:
    """Shell text that runs another as a user, not asking for a password.

    The mark is a prompt that sudo never shows; by it `Running.end` finds the process.
    """
    return f"sudo -n -H -p {mark} -u {quote(user)} -- {shell}"


def _signal(channel: paramiko.Channel, name: str) -> None:
    """Have sshd signal the command's process group (RFC 4254 6.9); paramiko has no call for it."""
    message = paramiko.Message()
    message.add_byte(cMSG_CHANNEL_REQUEST)
    message.add_int(channel.remote_chanid)
    message.add_string("signal")
    message.add_boolean(False)
    message.add_string(name)
    channel.get_transport()._send_user_message(message)  # type: ignore[attr-defined]


class Port(Running):
    """A port on the machine's loopback, talked to as if it were a command."""

    def __init__(self, connection: Connection, port: int, seconds: float) -> None:
        self._port = port
        super().__init__(connection, f"port {port}", seconds)

    def _open(self) -> paramiko.Channel:
        return self._connection.dial(self._port)

    def code(self) -> int:
        """A port has no exit code; its end is fine unless the connection ended."""
        if self._is_lost():
            raise self._lost()
        return 0

    def end(self) -> None:
        """Nothing runs on our behalf."""

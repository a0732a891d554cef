"""The mail servers that are measured: how each is started, stopped and asked, on one machine.

MeTA1 is the one that is installed, with a configuration of its own. The others are Debian's
packages, only unpacked: `lab bench mta` does that, and what they need to run is made here. Each
takes mail for alice@lab.example on a port of its own, and delivers it by LMTP to a UNIX socket:
/run/bench/NAME, or Cyrus'. All write to the disk that /srv and /var are on, and log to syslog what
they log by default.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOP = Path("/srv/bench")
SINKS = Path("/run/bench")
CYRUS = "/var/imap/socket/lmtp"
POSTFIX, EXIM = TOP / "postfix", TOP / "exim"
META1 = {"META1_CONF": f"{TOP}/meta1/meta1.conf"}
PATIENCE = 90.0
"""Seconds that a server may take to start."""


@dataclass(frozen=True, slots=True)
class Server:
    """One of them. The commands are run with `variables` beside those of root."""

    name: str
    port: int
    pid_file: Path
    variables: Mapping[str, str]
    start: tuple[str, ...]
    stop: Callable[[Server], None]
    flush: tuple[str, ...]
    """Try all that waits, now."""
    prepare: Callable[[str], None]
    """Write its configuration, given the path of the LMTP socket."""

    @property
    def sink(self) -> str:
        """Where its mail goes when it does not go to Cyrus."""
        return f"{SINKS}/{self.name}"

    @property
    def top(self) -> int:
        """Number of the process that all others of it descend from."""
        return int(self.pid_file.read_text())

    def run(self, command: tuple[str, ...]) -> None:
        """Run one of its commands. Raises `CalledProcessError`."""
        environment = os.environ | dict(self.variables)
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, timeout=300)

    def begin(self, lmtp: str | None = None) -> None:
        """Configure it, start it, await its greeting; one left of an earlier run goes first."""
        if self._greets():
            self.end()
        self.prepare(lmtp or self.sink)
        self.run(self.start)
        self.await_greeting()

    def await_greeting(self) -> None:
        """Wait until it would take mail. Raises `TimeoutError`."""
        deadline = time.monotonic() + PATIENCE
        while not self._greets():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.name} does not greet on port {self.port}")
            time.sleep(0.005)

    def end(self) -> None:
        """Stop it, and wait until it is gone."""
        self.stop(self)

    def _greets(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as talk:
                said = talk.recv(200)
                talk.sendall(b"QUIT\r\n")
                return said.startswith(b"220")
        except OSError:
            return False


def filled(source: str, target: Path, **values: str) -> None:
    """Write a file of this folder with the words in @ replaced."""
    text = (HERE / source).read_text()
    for name, value in values.items():
        text = text.replace(f"@{name.upper()}@", value)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)


def make_folder(path: Path, owner: str = "root", mode: int = 0o755) -> None:
    """Make a folder as it has to be."""
    path.mkdir(parents=True, exist_ok=True)
    shutil.chown(path, owner)
    path.chmod(mode)


def _prepare_meta1(lmtp: str) -> None:
    folder = TOP / "meta1"
    filled("meta1.conf", folder / "meta1.conf", lmtp=lmtp)
    for name, lines in (("users", "alice alice\n"), ("access", "cltaddr:192.0.2 reject\n")):
        command = ["createmap", "hash", f"{folder}/{name}.db"]
        subprocess.run(command, input=lines, text=True, check=True)


def _prepare_postfix(lmtp: str) -> None:
    filled("postfix-main.cf", POSTFIX / "conf/main.cf", lmtp=lmtp, top=str(POSTFIX))
    filled("postfix-master.cf", POSTFIX / "conf/master.cf", port="2525")
    spool = POSTFIX / "spool"
    make_folder(spool)
    for name in ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming",
                 "private", "saved", "trace"):  # fmt: skip
        make_folder(spool / name, "postfix", 0o700)
    make_folder(spool / "maildrop", "postfix", 0o730)
    make_folder(spool / "public", "postfix", 0o710)
    make_folder(spool / "pid")
    make_folder(POSTFIX / "data", "postfix", 0o700)


def _prepare_exim(lmtp: str) -> None:
    make_folder(EXIM, "Debian-exim")
    make_folder(EXIM / "spool", "Debian-exim", 0o750)
    # Where Debian's Exim looks: only a file there is trusted when Exim runs itself.
    filled("exim.conf", Path("/etc/exim4/exim4.conf"), lmtp=lmtp, top=str(EXIM))


def _stop_meta1(server: Server) -> None:
    server.run(("mcp.sh", "stop"))


def _terminate(server: Server) -> None:
    top = server.top
    os.kill(top, 15)
    deadline = time.monotonic() + PATIENCE
    while Path(f"/proc/{top}").exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{server.name} does not stop")
        time.sleep(0.01)


SERVERS = {
    each.name: each
    for each in (
        Server(
            "meta1", 2526, Path("/run/meta1/mcp.pid"), META1,
            ("mcp.sh", "start"), _stop_meta1,
            ("qmgrctl", "-f", META1["META1_CONF"], "flush"), _prepare_meta1,
        ),
        Server(
            "postfix", 2525, POSTFIX / "spool/pid/master.pid",
            {"MAIL_CONFIG": f"{POSTFIX}/conf"},
            ("/usr/lib/postfix/sbin/master", "-w"), _terminate,
            ("postqueue", "-f"), _prepare_postfix,
        ),
        Server(
            "exim", 2527, EXIM / "exim.pid", {},
            ("exim4", "-bd", "-q30m"), _terminate, ("exim4", "-qff"), _prepare_exim,
        ),
    )
}  # fmt: skip

"""The real processes behind one port, and a ledger of what was promised and what arrived."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ports import free_port

import meta1
from fuzz.smtp_client import mail_data
from fuzz.smtp_input import session
from fuzz.smtp_server import reply_lines
from fuzz.source import Source
from fuzz.target import Finding, must

SIDE_BY_SIDE: Final = 64
PATIENCE: Final = 10
"""Seconds without a mail after which what is missing counts as lost, or without a reply."""
WARM: Final = 200
"""Sessions after which memory is looked at for the first time."""
MAX_GROWTH: Final = 64 << 20
MAX_DESCRIPTORS: Final = 40
MODULES: Final = ("smar", "qmgr", "smtpc", "smtps")
CONFIG: Final = """
queue_directory = "{spool}";
hostname = "mail.lab.example";
smtps {{ start_action = wait; log_level = 0; min_free_space = 0; flags = {{ 8bitmime }};
        max_hops = 5; listen_socket {{ address = 127.0.0.1; port = {port}; }} }}
qmgr {{ log_level = 0; min_free_space = 0; }}
smtpc {{ log_level = 0; LMTP_socket = "{spool}/lmtp"; }}
smar {{ log_level = 0; nameserver = 127.0.0.1; nameserver_port = 9; DNS_timeout = 1;
       local_domains = {{ lab.example, x.example }}; }}
"""
_ACCEPTED = re.compile(rb"^250 2\.0\.0 (\S+) Message accepted\r\n", re.MULTILINE)
_NAMED = re.compile(rb"RCPT TO:[ \t]*(<[^>\r\n]*>)", re.IGNORECASE)
_ID = re.compile(rb"\tid (\S+?)(?: for <[^>]*>)?;\r\n")


class Sink:
    """An LMTP server that takes all mail and counts it by its transaction id."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.arrived: Counter[bytes] = Counter()
        self.copies: Counter[tuple[bytes, bytes]] = Counter()
        """How often each recipient, as in ``<a@lab.example>``, got a mail."""
        self.canaries: dict[bytes, bytes] = {}
        self.bad: list[str] = []
        self.reports = 0
        """Mails of qmgr itself: somebody had asked for NOTIFY=SUCCESS."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        writer.write(b"220 sink LMTP\r\n")
        people: list[bytes] = []
        try:
            while line := await reader.readline():
                verb = line[:4].upper()
                if verb == b"DATA":
                    writer.write(b"354 go on\r\n")
                    raw = b"\r\n" + await reader.readuntil(b"\r\n.\r\n")
                    self._keep(raw[:-3].replace(b"\r\n.", b"\r\n")[2:], people)
                    writer.write(b"250 2.0.0 ok\r\n" * len(people))
                    continue
                if verb in (b"MAIL", b"RSET"):
                    people = []
                elif verb == b"RCPT":
                    people.append(line)
                writer.write(
                    b"250-sink\r\n250-8BITMIME\r\n250 PIPELINING\r\n"
                    if verb == b"LHLO"
                    else b"250 2.0.0 ok\r\n"
                )
                if verb == b"QUIT":
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()

    def _keep(self, content: bytes, people: list[bytes]) -> None:
        """Count a mail, and look whether it may exist."""
        if content.startswith(b"From: Mail Delivery System <postmaster@mail.lab.example>\r\n"):
            self.reports += 1
            return
        found = _ID.search(content)
        if found is None:
            self.bad.append(f"a mail without our Received line: {content[:400]!r}")
            return
        self.arrived[found[1]] += 1
        paths = {path[1] for one in people if (path := _NAMED.match(one))}
        self.copies.update((found[1], one) for one in paths)
        if content.count(b"\r\n") != content.count(b"\n") or content.count(b"\r") != content.count(
            b"\n"
        ):
            self.bad.append("a bare line end was delivered")
        if b"\0" in content:
            self.bad.append("a NUL was delivered")
        if b"Canary: " in content:
            head, _, name = content.partition(b"Canary: ")
            self.canaries[name.split(b"\r\n")[0]] = content[len(head) :]


class Daemons:
    """smar, qmgr, smtpc and smtps as processes of this user."""

    def __init__(self, box: Path) -> None:
        """Write the configuration."""
        self.spool = box / "spool"
        for name in ("", "cdb", "ibdb", "defedb", "qmgr", "smar", "smtps"):
            (self.spool / name).mkdir(mode=0o700)
        self.port = free_port()
        self.config = box / "meta1.conf"
        self.config.write_text(CONFIG.format(spool=self.spool, port=self.port))
        self.log = box / "log"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start all, each when the one before is ready."""
        source = str(Path(meta1.__file__).parents[1])
        for name in MODULES:
            read, write = os.pipe()
            with self.log.open("ab") as log:
                self.processes[name] = subprocess.Popen(
                    [sys.executable, "-m", f"meta1.{name}", "-f", str(self.config)],
                    pass_fds=(write,), env={**os.environ, "PYTHONPATH": source,
                    "META1_READY_FD": str(write)},
                    stdout=log, stderr=log,
                )  # fmt: skip
            os.close(write)
            word = os.read(read, 100)
            os.close(read)
            must(word == b"ready\n", f"{name} does not start", self.log.read_text()[-2000:])

    def check(self) -> None:
        """All are alive."""
        for name, process in self.processes.items():
            must(
                process.poll() is None,
                f"{name} has ended",
                process.returncode,
                self.log.read_text()[-2000:],
            )

    def memory(self) -> dict[str, int]:
        """Resident octets of each."""
        page = os.sysconf("SC_PAGE_SIZE")
        return {
            name: int(Path(f"/proc/{one.pid}/statm").read_text().split()[1]) * page
            for name, one in self.processes.items()
        }

    def descriptors(self) -> dict[str, int]:
        """Open files of each."""
        return {
            name: len(os.listdir(f"/proc/{one.pid}/fd")) for name, one in self.processes.items()
        }

    def stop(self) -> None:
        """End all in good order, or by force."""
        for name in reversed(MODULES):
            process = self.processes.get(name)
            if process is not None and process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


class Live:
    """Feeds sessions, some side by side, and keeps the ledger."""

    def __init__(self, runner: asyncio.Runner, daemons: Daemons, sink: Sink) -> None:
        """Use these."""
        self._runner = runner
        self._daemons = daemons
        self._sink = sink
        self._next: list[tuple[list[list[bytes]], int]] = []
        self._promised: Counter[bytes] = Counter()
        self._repeated: dict[bytes, set[bytes]] = {}
        """By transaction, whom its client named more than once: they may get a copy each time."""
        self._sent: dict[bytes, bytes] = {}
        self._count = 0
        self._memory: dict[str, int] = {}
        self._descriptors: dict[str, int] = {}

    def __call__(self, source: Source) -> None:
        """Take one more session; when there are enough, all of them talk at once."""
        pieces = [source.cut(group, 3) for group in session(source)]
        self._next.append((pieces, source.choose((0, 0, 0, 1, 2, 3))))
        self._count += 1
        if len(self._next) == SIDE_BY_SIDE:
            self.flush()
        if self._count == WARM:
            self._look()

    def flush(self) -> None:
        """Let those talk that wait, and one client between them that does all right."""
        waiting, self._next = self._next, []
        if waiting:
            self._runner.run(self._talk_all(waiting))
            self._daemons.check()
            must(not self._sink.bad, "a mail that may not exist", self._sink.bad)

    def _look(self) -> None:
        self._memory = self._daemons.memory()
        self._descriptors = self._daemons.descriptors()

    async def _talk_all(self, waiting: list[tuple[list[list[bytes]], int]]) -> None:
        canary = b"%08d" % self._count
        async with asyncio.timeout(PATIENCE * 2):
            await asyncio.gather(self._canary(canary), *[self._talk(*one) for one in waiting])

    async def _talk(self, groups: list[list[bytes]], ending: int) -> None:
        """One client; at its end it waits, closes half, leaves, or resets."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._daemons.port)
        said = b""
        try:
            said += await _hear(reader, 1.0)
            for pieces in groups:
                for piece in pieces:
                    writer.write(piece)
                    await asyncio.sleep(0)
                said += await _hear(reader, 0.03)
            if ending == 1:
                writer.write_eof()
            if ending == 3:
                writer.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0"
                )
            elif ending < 2:
                said += await _hear(reader, 0.1)
        except OSError:
            pass  # the server has closed first
        writer.close()
        # Who leaves in the middle may have read half a reply.
        whole = said[: said.rfind(b"\n") + 1]
        lines = re.split(rb"(?<=\n)", whole)
        while lines and (lines[-1] == b"" or lines[-1][3:4] == b"-"):
            lines.pop()
        try:
            reply_lines(b"".join(lines))
        except Finding as error:
            raise Finding(f"{error} after {groups!r:.1500}") from error
        named = Counter(_NAMED.findall(b"".join(b"".join(pieces) for pieces in groups)))
        repeated = {path for path, times in named.items() if times > 1}
        promised = _ACCEPTED.findall(said)
        self._promised.update(promised)
        self._repeated |= dict.fromkeys(promised, repeated)

    async def _canary(self, name: bytes) -> None:
        """A mail sent as it should be; it has to arrive as it was sent."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._daemons.port)
        content = (
            b"Canary: "
            + name
            + b"\r\n\r\n.\r\n..\r\n.x\r\n\x80\xff"
            + b"y" * (int(name) % 900)
            + b"\r\n"
        )
        said = await reader.readline()
        for line in (b"EHLO c", b"MAIL FROM:<a@lab.example>", b"RCPT TO:<b@lab.example>", b"DATA"):
            writer.write(line + b"\r\n")
            while (await reader.readline())[3:4] == b"-":
                pass
        writer.write(mail_data(content))
        said = await reader.readline()
        must(_ACCEPTED.match(said), "a good mail was refused", said)
        self._promised.update(_ACCEPTED.findall(said))
        self._sent[name] = content
        writer.write(b"QUIT\r\n")
        await reader.read()
        writer.close()

    async def _settle(self) -> None:
        """Wait until all that was promised has arrived, or until nothing arrives any more."""
        arrived, pauses = -1, 0
        while self._promised.keys() - self._sink.arrived.keys() and pauses < PATIENCE * 10:
            pauses = pauses + 1 if arrived == len(self._sink.arrived) else 0
            arrived = len(self._sink.arrived)
            await asyncio.sleep(0.1)

    def finish(self) -> None:
        """The last mails, then the ledger, memory and descriptors."""
        self.flush()
        self._runner.run(self._talk_all([]))
        self._runner.run(self._settle())
        missing = self._promised.keys() - self._sink.arrived.keys()
        must(not missing, "promised and never delivered", len(missing), sorted(missing)[:5])
        doubled = [
            (name, path)
            for (name, path), count in self._sink.copies.items()
            if count > 1 and name in self._promised and path not in self._repeated.get(name, ())
        ]
        must(not doubled, "delivered twice", doubled[:5])
        for name, content in self._sent.items():
            must(
                self._sink.canaries.get(name) == content,
                "changed on its way",
                content,
                self._sink.canaries.get(name),
            )
        self._daemons.check()
        if self._memory:
            memory, descriptors = self._daemons.memory(), self._daemons.descriptors()
            for module in MODULES:
                must(
                    memory[module] - self._memory[module] < MAX_GROWTH,
                    f"{module} grows",
                    self._memory[module],
                    memory[module],
                )
                must(
                    descriptors[module] - self._descriptors[module] < MAX_DESCRIPTORS,
                    f"{module} keeps descriptors",
                    descriptors,
                )

    def figures(self) -> dict[str, int]:
        """What the report tells besides the count."""
        found = {
            "mails promised": len(self._promised),
            "mails delivered": sum(self._sink.arrived.values()),
        }
        if self._memory:
            memory = self._daemons.memory()
            found |= {f"growth of {name}": memory[name] - self._memory[name] for name in MODULES}
        return found


async def _hear(reader: asyncio.StreamReader, quiet: float) -> bytes:
    """Read until nothing comes for a while."""
    said = b""
    while True:
        try:
            async with asyncio.timeout(quiet):
                data = await reader.read(1 << 16)
        except TimeoutError:
            return said
        if not data:
            return said
        said += data
        quiet = min(quiet, 0.01)


@contextmanager
def open_live(box: Path) -> Iterator[Live]:
    """Start everything, and look at the ledger at the end."""
    daemons, sink = Daemons(box), Sink()
    with asyncio.Runner() as runner:
        listener = runner.run(
            asyncio.start_unix_server(sink.serve, daemons.spool / "lmtp", limit=1 << 26)
        )
        try:
            daemons.start()
            live = Live(runner, daemons, sink)
            yield live
        finally:
            daemons.stop()
            listener.close()

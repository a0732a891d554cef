"""Throughput of MeTA1 and Postfix on one machine, in turns, and the CPU time they need.

The machine must have both, started, and Postfix' smtp-source and smtp-sink. Both take mail for
alice@lab.example and deliver it by LMTP to a socket of this script, in the folder /run/bench:
  meta1.conf: smtpc { LMTP_socket = /run/bench/meta1; ... }
  main.cf:    local_transport = lmtp:unix:/run/bench/postfix
  master.cf:  2525 inet n - n - - smtpd
Then, as root: python3 against_postfix.py [--rounds 3] [--messages 3000] [--keep]
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

TICKS = os.sysconf("SC_CLK_TCK")
PATIENCE = 60.0  # seconds until a round that has not delivered all is given up


@dataclass(frozen=True, slots=True)
class Server:
    """One of the two: its port, where it delivers to, and the file naming its first process."""

    name: str
    port: int
    socket: str
    pid_file: str


SERVERS = (
    Server("meta1", 25, "/run/bench/meta1", "/run/meta1/mcp.pid"),
    Server("postfix", 2525, "/run/bench/postfix", "/var/spool/postfix/pid/master.pid"),
)


class Sink:
    """An smtp-sink that takes all mail of one server, and when it had how much of it."""

    def __init__(self, socket: str) -> None:
        Path(socket).unlink(missing_ok=True)
        self.process = subprocess.Popen(
            ["smtp-sink", "-u", "nobody", "-L", "-c", f"unix:{socket}", "200"],
            stdout=subprocess.PIPE,
        )
        self.count = 0
        self._changed = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        while said := os.read(self.process.stdout.fileno(), 65536):
            if found := re.findall(rb"mesg=\s*(\d+)", said):
                with self._changed:
                    self.count = int(found[-1])
                    self._changed.notify_all()

    def wait(self, count: int) -> None:
        """Until it has so many messages. Raises `TimeoutError`."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.count >= count, PATIENCE):
                raise TimeoutError(f"{count - self.count} messages were not delivered")


@dataclass(frozen=True, slots=True)
class Round:
    """Rates a second, CPU seconds per 1000 messages, and the share of the CPUs that others had."""

    accepted: float
    delivered: float
    cpu: float
    others: float


def cpu_of(top: int) -> float:
    """CPU seconds of a process and its descendants, with those that have ended."""
    found: dict[int, tuple[int, float]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(") ")[2].split()
            threads = [path.read_text().split() for path in folder.glob("task/*/schedstat")]
        except (FileNotFoundError, ProcessLookupError):
            continue
        own, ended = (sum(map(int, fields[i : i + 2])) / TICKS for i in (11, 13))
        # Ticks are cut off for each process, which adds up where there are many short ones.
        exact = sum(int(each[0]) for each in threads) / 1e9
        found[int(folder.name)] = int(fields[1]), max(own, exact) + ended

    def within(pid: int) -> bool:
        return pid == top or (pid in found and within(found[pid][0]))

    return sum(seconds for pid, (_, seconds) in found.items() if within(pid))


def cpu_of_all() -> float:
    """CPU seconds that the whole host has worked, whoever for."""
    ticks = [int(each) for each in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:8]]
    return (sum(ticks) - ticks[3] - ticks[4]) / TICKS  # without idle and iowait


def used_by(server: Server) -> tuple[float, float, float]:
    """CPU seconds of the server, of this machine or container, and of the whole host."""
    return cpu_of(int(Path(server.pid_file).read_text())), cpu_of(1), cpu_of_all()


def burst(server: Server, sink: Sink, arguments: list[str], messages: int) -> Round:
    """Send so many messages of 1 KiB by 50 sessions, and wait until all have arrived."""
    before = used_by(server)
    wanted, began = sink.count + messages, time.monotonic()
    mail = ["-l", "1024", "-f", "carol@partner.example", "-t", "alice@lab.example"]
    size = ["-s", "50", "-m", str(messages), *arguments]
    subprocess.run(["smtp-source", *size, *mail, f"inet:127.0.0.1:{server.port}"], check=True)
    accepted = time.monotonic() - began
    sink.wait(wanted)
    seconds = time.monotonic() - began
    time.sleep(1)  # what is done after the delivery, such as removing a queue file, counts as well
    mine, ours, whole = (now - then for now, then in zip(used_by(server), before, strict=True))
    others = (whole - ours) / (time.monotonic() - began) / (os.cpu_count() or 1)
    return Round(messages / accepted, messages / seconds, mine / messages * 1000, others)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--messages", type=int, default=3000)
    parser.add_argument("--keep", action="store_true", help="many messages a connection")
    given = parser.parse_args()
    sinks = {server.name: Sink(server.socket) for server in SERVERS}
    rounds: dict[str, list[Round]] = {server.name: [] for server in SERVERS}
    print("server    accepted/s  delivered/s  CPU s/1000  others' CPU  load")
    for server in SERVERS * given.rounds:
        did = burst(server, sinks[server.name], ["-d"] * given.keep, given.messages)
        rounds[server.name].append(did)
        figures = f"{did.accepted:10.0f} {did.delivered:12.0f} {did.cpu:11.2f} {did.others:11.0%}"
        print(f"{server.name:8} {figures}  {os.getloadavg()[0]:5.2f}", flush=True)
    for what in ("accepted", "delivered", "cpu"):
        both = [median(getattr(each, what) for each in rounds[s.name]) for s in SERVERS]
        print(f"median {what}: {both[0]:.2f} : {both[1]:.2f} = {both[0] / both[1]:.2f}")
    for sink in sinks.values():
        sink.process.terminate()


if __name__ == "__main__":
    main()

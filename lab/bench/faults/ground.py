"""The machine on which faults happen: MeTA1 under systemd, its processes, its mailboxes, its queue and its log."""

from __future__ import annotations

import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import paramiko

from lab.bench.faults.ledger import Account, Sent, Step, account, explained
from lab.bench.install import build, install, make_map
from lab.chapters import chapter
from lab.errors import LabError
from lab.host import Host
from lab.lab import Lab
from lab.providers.base import Progress
from lab.providers.vagrant import VagrantProvider
from lab.providers.vagrant.libvirt import virsh
from lab.session import Session
from lab.show import real_file

CONF = "/etc/meta1/meta1.conf"
FOLDER = "/run/faults"
"""What tells our own servers how to behave."""
KEPT = "/var/lib/faults"
OWN = f"{FOLDER}/lmtp"
"""LMTP socket of our own destination."""
CYRUS = "/var/imap/socket/lmtp"
FAR, NAMES = "127.0.2.1", "127.0.0.3"
"""Where our own destination takes SMTP, and our own name server answers."""
USERS = "alice alice\nbob bob\n"
ACCESS = "cltaddr:127.0.0.1 relay\n"
UNIT = "/usr/local/share/doc/meta1/meta1.service"
AT_ONCE = "[Unit]\nStartLimitIntervalSec=0\n[Service]\nRestartSec=0.2\n"
SERVICE = """\
[Unit]
Description=faults: {name}
Before=meta1.service
[Service]
ExecStart={command}
Restart=always
RuntimeDirectory=faults
RuntimeDirectoryPreserve=yes
[Install]
WantedBy=multi-user.target
"""
MODULES = ("smtps", "smtpc", "qmgr", "smar")
PATIENCE = 60.0
DRAIN = 400.0
"""Seconds in which an empty queue is awaited when all faults are over."""

# What the tutorial's file says, and what faults need instead: restarts and retries at once, a reply that does not
# come is given up soon, a disk that is really full, our own name server.
CHANGES = (
    ("smtps {", "mcp { min_restart_delay = 0; }\nsmtps {\n    min_free_space = 0;"),
    ("type=inet; port = 25;", "type=inet; address = 127.0.0.1; port = 25;"),
    (
        "LMTP_socket = /var/imap/socket/lmtp;",
        "LMTP_socket = %LMTP%;\n    connect_timeout = 3; io_timeout = 4; final_timeout = 6;",
    ),
    ("user = meta1q;", "user = meta1q; min_retry = 1; max_retry = 4; min_free_space = 0;"),
    (
        "nameserver = 127.0.0.1;",
        f"nameserver = {NAMES}; DNS_timeout = 1; DNS_tries = 2; cache_entries = 0;",
    ),
)

TABLE = "cat /run/meta1/mcp.pid /run/meta1/mcp.pid.modules 2>/dev/null"
SUBJECTS = r"""PATH=$PATH:/usr/lib/cyrus/bin; cd "$(mbpath -s user/alice)" &&
find . -name '[0-9]*.' -exec grep --no-filename --max-count=1 '^Subject: ' '{}' '+'"""
REPORTED = r"""PATH=$PATH:/usr/lib/cyrus/bin; cd "$(mbpath -s user/alice)" &&
find . -name '[0-9]*.' -exec awk '/^Subject: /{n++; if (n == 2) print; } ENDFILE {n = 0}' '{}' '+'"""


class Ground:
    """One machine. Senders have a connection of their own: what they suffer does not touch our commands."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self._use(lab.host)

    @property
    def is_virtual(self) -> bool:
        """It has a kernel of its own, and so a clock and a power of its own."""
        return self.lab.kind() == "vagrant"

    def dial(self, port: int) -> paramiko.Channel:
        """A stream to a port of the machine, for a sender."""
        # One after the other: paramiko mixes up the errors of channels that are refused at the same time.
        with self._dialing:
            return self._line.dial(port)

    def cut_power(self) -> None:
        """Take the power away, switch it on again, and connect anew."""
        self._line.close()
        self._use(self.lab.power_cut())

    def _use(self, vm: Host) -> None:
        self.vm = vm
        self._line = Host(vm.endpoint, self.lab.provider().connect)
        self._dialing = threading.Lock()

    # -- getting ready ------------------------------------------------------------------------

    def configure(self, lmtp: str = CYRUS) -> None:
        """Write the tutorial's configuration file with what faults need, and start with it."""
        self.vm.put(configuration(lmtp), CONF)
        make_map(self.vm, "users", USERS)
        make_map(self.vm, "access", ACCESS)
        self.vm.run("systemctl restart meta1", as_user="root", timeout=180)
        self.await_up()

    def unit(self) -> None:
        """Have MeTA1 run by systemd, which starts it again at once."""
        self.vm.run("cp %s /etc/systemd/system/", UNIT, as_user="root")
        self.vm.put(AT_ONCE, "/etc/systemd/system/meta1.service.d/faults.conf")
        self.vm.run("systemctl daemon-reload && systemctl enable --quiet meta1", as_user="root")

    def serve(self, name: str, *arguments: str) -> None:
        """Run one of our own servers on the machine, also after a boot."""
        self.vm.put(Path(__file__).parent / "programs" / f"{name}.py", f"{KEPT}/{name}.py")
        command = " ".join(("/usr/bin/python3", f"{KEPT}/{name}.py", *arguments))
        unit = f"faults-{name}.service"
        self.vm.put(SERVICE.format(name=name, command=command), f"/etc/systemd/system/{unit}")
        self.vm.run(
            "systemctl daemon-reload; systemctl enable --quiet %s; systemctl restart %s",
            unit,
            unit,
            as_user="root",
        )

    def serve_no_more(self, name: str) -> None:
        """End it."""
        self.vm.run("systemctl disable --quiet --now %s", f"faults-{name}.service", as_user="root")

    def tell(self, name: str, text: str) -> None:
        """Write a word for our own servers; a boot makes them forget it."""
        self.vm.run(f"mkdir -p {FOLDER}; cat > {FOLDER}/{name}", input=text, as_user="root")

    # -- processes ----------------------------------------------------------------------------

    def processes(self) -> dict[str, int]:
        """The process ids of mcp and of all modules that serve; empty while there is no mcp."""
        lines = self.vm.run(TABLE, as_user="root", check=False).lines
        rows = [line.split() for line in lines]
        if not rows or len(rows[0]) != 1:
            return {}
        return {"mcp": int(rows[0][0])} | {
            row[0]: int(row[1]) for row in rows[1:] if len(row) == 4 and row[3] == "up"
        }

    def are_up(self, instead_of: dict[str, int] | None = None) -> bool:
        """All processes serve, and those named are other ones than they were."""
        now = self.processes()
        old = instead_of or {}
        there = {name.split(".")[0] for name in now}
        return {"mcp", *MODULES} <= there and all(now.get(name) != pid for name, pid in old.items())

    def await_up(self, instead_of: dict[str, int] | None = None) -> None:
        """Wait for it. Raises `LabError` if it does not come about."""
        until(lambda: self.are_up(instead_of), "all five processes", self.words, PATIENCE * 2)

    def words(self) -> str:
        """What an error should say about the machine."""
        log = self.vm.run("tail -n 20 /var/log/mail.log", as_user="root", check=False).stdout
        return f"{self.processes()}\n{log}"

    # -- afterwards ---------------------------------------------------------------------------

    def begin(self) -> None:
        """Forget what earlier runs have left in ledger and log."""
        self.vm.run(
            f"mkdir -p {KEPT} {FOLDER}; : > {KEPT}/taken; : > /var/log/mail.log; sync",
            as_user="root",
        )

    def drain(self) -> None:
        """Wait until the queue is empty. Raises `CommandTimeout`."""
        self.vm.wait_for("mailq | grep -q 'is empty'", timeout=DRAIN, as_user="root")

    def settle(self, label: str, sent: Sequence[Sent]) -> tuple[Account, Counter[Step]]:
        """Hold what has arrived of one run against what was sent, and explain the duplicates."""
        entries = [json.loads(line) for line in self._lines(f"cat {KEPT}/taken", "root")]
        arrived = self.subjects(SUBJECTS) + [token for _, _, token, _, _ in entries]
        reports = self.subjects(REPORTED) + [about for _, _, _, _, about in entries]
        damaged = [token for _, _, token, state, _ in entries if state == "damaged"]

        def mine(tokens: Iterable[str]) -> list[str]:
            return [token for token in tokens if token.startswith(f"{label}-")]

        found = account(sent, mine(arrived), mine(reports), mine(damaged))
        names = {each.token: each.transaction for each in sent}
        wanted = [names[token] for token in found.doubled if names.get(token)]
        command = "grep -a -F -f - /var/log/mail.log"
        log = self._lines(command, "root", "\n".join(wanted)) if wanted else []
        return found, explained(found.doubled, names, log)

    def subjects(self, command: str) -> list[str]:
        """The subjects that a command finds in a mailbox of Cyrus'."""
        lines = self._lines(command, "cyrus")
        return [line.strip().removeprefix("Subject: ") for line in lines]

    def _lines(self, command: str, user: str, input: str = "") -> list[str]:
        return self.vm.run(command, as_user=user, check=False, timeout=300, input=input).lines


def configuration(lmtp: str) -> str:
    """The tutorial's configuration file with what faults need. Raises `LabError` if it reads otherwise now."""
    text = real_file("etc/meta1/meta1.conf").read_text()
    for old, new in CHANGES:
        if old not in text:
            raise LabError(f"meta1.conf has no {old!r}", f"mend {__name__}")
        text = text.replace(old, new.replace("%LMTP%", lmtp), 1)
    return text


def prepared(lab: Lab, progress: Progress) -> Ground:
    """A machine with Cyrus and certificates from the tutorial, and MeTA1 of this checkout under systemd."""
    os.environ.setdefault("LAB_DISK_CACHE", "none")  # read where a virtual machine is made
    session, third = Session(lab, progress), chapter("03-certificates")
    session.goto(third)
    session.finish(third)
    vm = lab.host
    _require_honest_disk(lab)
    progress("building and installing MeTA1")
    install(vm, build(vm))
    ground = Ground(lab)
    ground.unit()
    ground.configure()
    return ground


def _require_honest_disk(lab: Lab) -> None:
    """Raise `LabError` if a sync of the virtual machine does not reach the host's disk."""
    provider = lab.provider()
    if not isinstance(provider, VagrantProvider) or provider.public:
        return
    if "cache='none'" not in virsh("dumpxml", provider.domain.name):
        raise LabError(
            "this machine's disk is made for speed: a sync in it syncs nothing here",
            f"lab --lab {lab.name} down, and let this command make it",
        )


def until(what: Callable[[], object], say: str, words: Callable[[], str], patience: float) -> float:
    """Look until it is so; gives the seconds it took. Raises `LabError` with what is to be seen instead."""
    began = time.monotonic()
    while not what():
        if time.monotonic() - began > patience:
            raise LabError(f"{say} did not come about within {patience:.0f} s: {words()}")
        time.sleep(0.02)
    return time.monotonic() - began

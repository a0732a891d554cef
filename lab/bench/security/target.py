"""MeTA1 on a lab machine as the proofs want it: its own configuration, strangers on loopback, a liar beside it.

`build` starts it with some of its code changed; `leave` puts everything back as it was found.
"""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from lab.bench.edits import INSTALLED, Change, Edit, make
from lab.bench.foreign import unpack
from lab.bench.security.liars import NAMES, SERVERS
from lab.bench.security.steps import REPLY, Step, talked
from lab.errors import CommandTimeout, LabError
from lab.host import Host
from lab.providers.base import Progress
from lab.show import real_file

PROGRAMS = Path(__file__).parent / "programs"
TOOLS = ("nmap", "testssl.sh")
"""Debian packages of tools that the machine does not have."""
LIBRARIES, LINKER = "/usr/lib/$(uname -m)-linux-gnu/blas", "/etc/ld.so.conf.d/proofs.conf"
"""nmap needs a library for which its package's own script, which does not run, would have made a link."""
PLACE = "/opt/proofs"
KEPT = "/root/proofs-kept"
CONF = "/etc/meta1/meta1.conf"
LOG = "/var/log/mail.log"
HEARD = f"{PLACE}/heard"
IO_TIMEOUT = 4
MAX_MESSAGE = 2**20

SETTINGS = (
    (
        "log_level = 24;",
        f"log_level = 100; IO_timeout = {IO_TIMEOUT}; max_message_size = {MAX_MESSAGE};",
    ),
    ("flags = { noplaintext };", 'flags = { require_tls }; mechanisms = "CRAM-MD5 PLAIN LOGIN";'),
    ("nameserver = 127.0.0.1;", "nameserver = 127.0.0.7; nameserver_port = 5300; DNS_timeout = 2;"),
)
"""meta1.conf of the book with these changes; all other limits are as they come."""

STAGE = (
    # Loopback addresses are all there are on the machine: they get names like those of other hosts.
    Edit("mx.py", "if parsed.is_loopback:", "if False:"),
    # Nobody wants to wait a minute for the watch over slow senders.
    Edit("smtps_connection.py", "RATE_AFTER: Final = 60.0", "RATE_AFTER: Final = 2.0"),
)

UNWANTED = "127.0.0.65"
"""The address of a client that the access map refuses."""
ACCESS = f"""\
to:liar.example relay
certissuer:/O=MeTA1+20lab/CN=Lab+20CA subject
certsubject:/O=MeTA1+20lab/CN=alice relay
cltaddr:{UNWANTED} reject
"""
MAILERTABLE = "".join(
    f"{name}.liar.example [127.0.0.7]:{port}\n" for name, port in SERVERS.ports.items()
)

ARRANGE = f"""\
mcp.sh stop || true; systemctl stop meta1 || true
rm -rf {KEPT} && mkdir -p {KEPT} && cp -a {INSTALLED} {KEPT}/code && cp -a /etc/meta1 {KEPT}/etc
cp -a /var/spool/meta1 {KEPT}/spool
[ ! -e /etc/systemd/system/meta1.service ] || cp -a /etc/systemd/system/meta1.service {KEPT}/unit
stat --format 'chown %U:%G %n; chmod %a %n' /etc/sasldb2 /var/imap/socket > {KEPT}/modes
echo "usermod --groups $(id -nG meta1c | tr ' ' ,) meta1c" >> {KEPT}/modes
cp /usr/local/share/doc/meta1/meta1.service /etc/systemd/system/
mkdir -p /etc/systemd/system/meta1.service.d
printf '[Unit]\\nStartLimitIntervalSec=0\\n' > /etc/systemd/system/meta1.service.d/proofs.conf
systemctl daemon-reload
echo {LIBRARIES} > {LINKER}; ldconfig
groupadd --system --force lmtp
usermod --append --groups lmtp cyrus; usermod --append --groups lmtp meta1c
usermod --append --groups sasl meta1s; gpasswd --delete meta1c mail 2> /dev/null || true
chgrp lmtp /var/imap/socket; chmod 0640 /etc/sasldb2
cd /etc/meta1; for map in users access mailertable; do createmap hash $map.db < $map; done
cp -a /etc/meta1 {KEPT}/proofs-etc
install -d {PLACE} && cd {PLACE} && rm -f heard ready
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -days 2 -nodes -subj /CN=liar.example \\
  -keyout key.pem -out cert.pem 2> /dev/null
systemctl stop proofs-liar 2> /dev/null || true
systemd-run --quiet --collect --unit proofs-liar python3 {PLACE}/liar.py {PLACE}
until [ -e {PLACE}/ready ]; do sleep 0.05; done
"""
BUILD = f"""\
systemctl stop meta1; rm -rf {INSTALLED} /etc/meta1 /var/spool/meta1
cp -a {KEPT}/code {INSTALLED}; cp -a {KEPT}/proofs-etc /etc/meta1; cp -a {KEPT}/spool /var/spool/meta1
cp /usr/local/share/doc/meta1/meta1.service /etc/systemd/system/
chmod 0640 /etc/sasldb2; chown root:sasl /etc/sasldb2
"""
START = "systemctl daemon-reload; systemctl start meta1; [ $(mcp.sh status | grep -c 'up$') = 5 ]"
"""A MeTA1 of which a part does not run would fail every proof."""
LEAVE = f"""\
systemctl stop meta1 proofs-liar || true
rm -f {LINKER}; ldconfig
rm -rf {INSTALLED} /etc/meta1 /var/spool/meta1 {PLACE} /etc/systemd/system/meta1.service.d/proofs.conf
rmdir --ignore-fail-on-non-empty /etc/systemd/system/meta1.service.d
cp -a {KEPT}/code {INSTALLED}; cp -a {KEPT}/etc /etc/meta1; cp -a {KEPT}/spool /var/spool/meta1
if [ -e {KEPT}/unit ]; then cp -a {KEPT}/unit /etc/systemd/system/meta1.service
else rm /etc/systemd/system/meta1.service; fi
systemctl daemon-reload; . {KEPT}/modes; rm -r {KEPT}
"""

BEGIN = f": > {HEARD}; mailq | grep -q 'is empty' || qmgrctl delete ALL > /dev/null"

Said = list[str]


class Target:
    """The machine under attack."""

    def __init__(self, vm: Host, is_full: bool = False) -> None:
        self.vm = vm
        self.is_full = is_full
        """Long scans run whole."""
        self._standing: list[Change] | None = None
        self.token = ""
        self._began = 0

    # ---- its life ------------------------------------------------------------------------------

    def arrange(self, progress: Progress = lambda _: None) -> None:
        """Keep what is there, and put programs, configuration and liar in place."""
        unpack(self.vm, TOOLS, progress, also=["etc/testssl"])
        self.put_programs()
        self.vm.put(json.dumps({"names": NAMES, "servers": SERVERS.says}), f"{PLACE}/script.json")
        text = real_file("etc/meta1/meta1.conf").read_text()
        for before, after in SETTINGS:
            if text.count(before) != 1:
                raise LabError(f"meta1.conf has {before!r} not just once", f"mend {__name__}")
            text = text.replace(before, after)
        for name, content in {"access": ACCESS, "mailertable": MAILERTABLE}.items():
            self.vm.put(content, f"{PLACE}/{name}")
        self.vm.put(text, f"{PLACE}/meta1.conf")
        self.vm.put(real_file("etc/meta1/users"), f"{PLACE}/users")
        keep, arrange = ARRANGE.split("cd /etc/meta1;")
        copy = f"cd {PLACE} && cp meta1.conf access mailertable users /etc/meta1/\ncd /etc/meta1;"
        self.vm.run(f"set -e; {keep}{copy}{arrange}", as_user="root")

    def put_programs(self) -> None:
        """Put the programs there that attack from the machine itself."""
        for each in sorted(PROGRAMS.glob("*.py")):
            self.vm.put(each, f"{PLACE}/{each.name}")

    def stand(self, changes: Iterable[Change] = ()) -> None:
        """Have MeTA1 run with these changes; nothing happens if it does already."""
        wanted = list(changes)
        if wanted != self._standing:
            self._standing = None
            self.build(wanted)
            self._standing = wanted

    def build(self, changes: Iterable[Change] = ()) -> None:
        """Start MeTA1 with an empty queue and these changes of its code or configuration."""
        self.vm.run(BUILD, as_user="root")
        make(self.vm, [*STAGE, *changes])
        self.vm.run(START, as_user="root")
        self._began = self._log_length()

    def leave(self) -> None:
        """Put the machine back as it was before `arrange`."""
        self.vm.run(LEAVE, as_user="root")

    def begin(self) -> None:
        """Begin a proof: a new mark for its messages, and the log from here on."""
        self.token = f"P{secrets.token_hex(6)}"
        self._began = self._log_length()
        self.vm.run(BEGIN, as_user="root")

    # ---- what a proof does ------------------------------------------------------------------------

    def talk(
        self, *sessions: Sequence[Step], source: str = "127.0.0.9", timeout: float = 120
    ) -> list[Said]:
        """Hold sessions with the server, all at once; what was said in each, step by step."""
        return [
            [said for said, _ in each]
            for each in self.timed(*sessions, source=source, timeout=timeout)
        ]

    def timed(
        self, *sessions: Sequence[Step], source: str = "127.0.0.9", timeout: float = 120
    ) -> list[list[tuple[str, float]]]:
        """The same with the seconds of each step."""
        wanted = json.dumps([{"from": source, "steps": each} for each in sessions])
        done = self.vm.run(f"python3 {PLACE}/talk.py", input=wanted, timeout=timeout)
        return [[(said, seconds) for said, seconds in each] for each in json.loads(done.stdout)]

    def mail(self, number: int = 0, user: str = "alice", seconds: float = 20) -> list[str]:
        """Messages with this proof's mark in a mailbox, once there are so many and the queue is empty."""
        with suppress(CommandTimeout):
            self.vm.wait_for("mailq | grep -q 'is empty'", as_user="root", timeout=seconds)
        deadline = time.monotonic() + seconds
        while True:
            command = f"python3 {PLACE}/mailbox.py %s %s"
            found: list[str] = json.loads(
                self.vm.run(command, user, self.token, as_user="cyrus").stdout
            )
            if len(found) >= number or time.monotonic() > deadline:
                return found
            time.sleep(0.2)

    def send(self, *recipients: str, sender: str = "alice@lab.example", more: str = "") -> str:
        """Send a message with this proof's mark by the book; the reply to its dot."""
        lines = [
            f"MAIL FROM:<{sender}>{more}",
            *(f"RCPT TO:<{each}>" for each in recipients),
            "DATA",
        ]
        text = f"Subject: {self.token}\r\nFrom: <{sender}>\r\n\r\nHello.\r\n."
        steps = [REPLY, *talked("EHLO friend.example", *lines, text), ("say", "QUIT\r\n")]
        return self.talk(steps)[0][-1]

    def heard(self, server: str) -> list[str]:
        """What a liar has heard since the proof began, line by line."""
        rows = self.vm.run("cat %s", HEARD, as_user="root", check=False).lines
        heard = [json.loads(row) for row in rows]
        return [line for port, line in heard if port == SERVERS.ports[server]]

    def forget_queue(self) -> None:
        """Remove what waits in the queue."""
        self.vm.run("qmgrctl delete ALL", as_user="root", check=False)

    def log(self) -> list[str]:
        """What MeTA1 has logged since the proof began, without the time of each line."""
        text = self.vm.run(f"tail -n +{self._began + 1} {LOG}", as_user="root").stdout
        return [
            line for line in text.split("\n") if re.search(r" (mcp|smtps|smtpc|qmgr|smar)\[", line)
        ]

    def wait_for_log(self, pattern: str, seconds: float = 20) -> list[str]:
        """The log once a line of it fits the pattern, or when the time is over."""
        deadline = time.monotonic() + seconds
        while True:
            lines = self.log()
            if any(re.search(pattern, line) for line in lines) or time.monotonic() > deadline:
                return lines
            time.sleep(0.2)

    def _log_length(self) -> int:
        return int(str(self.vm.run(f"wc -l < {LOG}", as_user="root")))

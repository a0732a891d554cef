"""A lab machine with MeTA1 and the programs of others on it: names, certificates, mailboxes, and what came of mail."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lab.bench.interop.contents import Content
from lab.bench.interop.verdict import Found, Report
from lab.errors import LabError
from lab.host import Host
from lab.script import fill
from lab.show import real_file

PROGRAMS = Path(__file__).parent / "programs"
TOP = "/srv/interop"
SENT = f"{TOP}/sent"
CONF = "/etc/meta1/meta1.conf"
OWN_ADDRESS = "127.0.1.1"
"""Where MeTA1 listens: other addresses of the machine's loopback belong to the other servers, each on port 25."""
LIMIT = 16 * 2**20
LISTEN = "listen_socket { type=inet; port = 25; }"
CHANGES = (
    (
        LISTEN,
        LISTEN.replace("port", f"address = {OWN_ADDRESS}; port") + f" max_message_size = {LIMIT};",
    ),
    ('"CRAM-MD5"', '"SCRAM-SHA-256 CRAM-MD5"'),
    (
        "restart_dependencies = { smtps, smtpc, smar };",
        "restart_dependencies = { smtps, smtpc, smar }; min_retry = 1; max_retry = 2;",
    ),
)


@dataclass(slots=True)
class World:
    """The machine; `people` is how many more mailboxes there are, for mail to many."""

    vm: Host
    people: int
    templates: dict[str, str] = field(default_factory=dict)
    stamp: str = field(default_factory=lambda: f"{time.time_ns():x}")
    """Part of each Message-ID: Cyrus takes none a second time, not even in another run."""

    # ---- the machine -----------------------------------------------------------------------

    def root(self, command: str, *args: object, timeout: float = 60) -> str:
        """Run a command as root; what it printed."""
        return self.vm.run(command, *args, as_user="root", timeout=timeout).stdout

    def prepare(self, contents: Iterable[Content]) -> None:
        """Put programs, templates, maps and mailboxes there; who shows Alice's certificate may relay."""
        self.root("rm -rf %s && install -d -m 1777 %s %s %s/templates", TOP, TOP, SENT, TOP)
        for program in PROGRAMS.iterdir():
            if program.is_file():
                self.vm.put(program, f"{TOP}/{program.name}", mode="0755")
        for content in contents:
            path = f"{TOP}/templates/{content.name}"
            self.vm.put(content.template.replace(b"@RUN@", self.stamp.encode()), path)
            self.templates[content.name] = path
        names = ("alice", "bob", *self.names())
        self.map("users", "".join(f"{name} {name}\n" for name in names))
        self.map(
            "access",
            "certissuer:/O=MeTA1+20lab/CN=Lab+20CA subject\ncertsubject:/O=MeTA1+20lab/CN=alice relay\n",
        )
        create = fill("python3 %s/mailboxes.py %s", (TOP, self.people))
        self.vm.run(create, timeout=120)
        self.root("usermod --append --groups sasl meta1s")

    def names(self) -> list[str]:
        """Users whose mailboxes are made for this."""
        return [f"u{number:03d}" for number in range(self.people)]

    def others(self) -> list[str]:
        """Local parts of addresses that other servers know: one for ordinary mail, the rest for mail to many."""
        return ["relay", *self.names()]

    def map(self, name: str, text: str) -> None:
        """Write a map of MeTA1."""
        self.vm.put(text, f"/etc/meta1/{name}")
        self.root("cd /etc/meta1 && /usr/local/bin/createmap hash %s.db < %s", name, name)

    def meta1(self, verify: bool, restart: bool = False) -> None:
        """Have MeTA1 run with a configuration in which smtpc insists on verified TLS, or does not."""
        text = real_file("etc/meta1/meta1.conf").read_text()
        flag = "tls { flags = { verify };" if verify else "tls {"
        before, last, after = text.rpartition("tls {")
        text = before + (flag if last else "") + after
        for old, new in CHANGES:
            if old not in text:
                raise LabError(
                    f"lab/files/etc/meta1/meta1.conf has no {old!r}", "mend lab/bench/interop"
                )
            text = text.replace(old, new, 1)
        self.vm.put(text, CONF)
        self.root(
            "systemctl --quiet is-active meta1 && systemctl restart meta1 || { mcp.sh stop; mcp.sh start; }"
            if restart
            else "mcp.sh reload",
            timeout=120,
        )
        self.vm.wait_for("nc -z %s 25", OWN_ADDRESS)

    def names_of_others(self, hosts: Mapping[str, str], exchangers: Mapping[str, str]) -> None:
        """Teach the DNS server addresses of hosts, and which host takes mail for a domain."""
        lines = [f"host-record={name},{address}" for name, address in hosts.items()]
        lines += [f"mx-host={domain},{host},10" for domain, host in exchangers.items()]
        self.vm.put("\n".join([*lines, ""]), "/etc/dnsmasq.d/interop.conf")
        self.root("systemctl restart dnsmasq")

    def certificate(self, host: str, owner: str = "root", name: str = "") -> str:
        """A key and a certificate of the lab's authority for a host; gives the folder they are in."""
        folder = f"{TOP}/tls/{host}"
        rules = (
            "basicConstraints=critical,CA:false\nextendedKeyUsage=serverAuth,clientAuth\n"
            f"keyUsage=critical,digitalSignature\nsubjectAltName=DNS:{name or host}\n"
        )
        self.vm.put(rules, f"{folder}/rules")
        self.root(
            "cd %s && openssl req -noenc -newkey ec -pkeyopt ec_paramgen_curve:P-256"
            " -subj %s -keyout key.pem -out req.pem 2> /dev/null &&"
            " openssl x509 -req -in req.pem -CA ~lab/ca/cacert.pem -CAkey ~lab/ca/cakey.pem -CAcreateserial"
            " -CAserial %s/serial -days 30 -extfile rules -out cert.pem 2> /dev/null &&"
            " chown %s key.pem && chmod 0600 key.pem",
            folder, f"/O=MeTA1 lab/CN={host}", TOP, owner,
        )  # fmt: skip
        return folder

    # ---- mail ------------------------------------------------------------------------------

    def message(self, content: str, ident: str, to: str) -> str:
        """Make a message from a template on the machine; gives its path, ended by CRLF throughout."""
        path = f"{SENT}/{ident}.eml"
        self.vm.run(
            "LC_ALL=C sed -e %s -e %s %s > %s",
            f"s/@ID@/{ident}/", f"s/@TO@/{to}/", self.templates[content], path,
        )  # fmt: skip
        return path

    def mailbox(self) -> Found:
        """Alice's mailbox in Cyrus, read by IMAP, against what was sent."""
        return self._found("imap", "alice")

    def files(self, folder: str) -> Found:
        """Files of another server's mailbox against what was sent."""
        return self._found("files", folder)

    def _found(self, kind: str, where: str) -> Found:
        program = fill("python3 %s/compare.py %s %s %s", (TOP, kind, where, SENT))
        user = "root" if kind == "files" else None
        found: Found = json.loads(self.vm.run(program, as_user=user, timeout=120).stdout)
        return found

    def reports(self, where: str = "") -> Sequence[Report]:
        """Delivery status notifications in Alice's mailbox, or in the files of another server."""
        kind = ("files", where) if where else ("imap", "alice")
        program = fill("python3 %s/reports.py %s %s", (TOP, *kind))
        found: Sequence[Report] = json.loads(
            self.vm.run(program, as_user="root" if where else None, timeout=120).stdout
        )
        return found

    def copies(self, ident: str) -> int:
        """How many mailboxes of Cyrus have a message."""
        found = self.root(
            "grep -r -l --include='[0-9]*.' -F %s /var/spool/cyrus/mail | wc -l",
            f"<{ident}@{self.stamp}.interop.example>",
        )
        return int(found)

    def queue_empty(self) -> bool:
        """MeTA1 has nothing left to send."""
        return "empty" in self.root("mailq")

"""Client programs against MeTA1: each sends everything, then the mailboxes are read and compared."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lab.bench.interop.clients import Client
from lab.bench.interop.contents import Content
from lab.bench.interop.orders import TAP, Order
from lab.bench.interop.peers import POSTFIX
from lab.bench.interop.verdict import (
    Feature,
    Found,
    Report,
    Verdict,
    held,
    lacks,
    no,
    unchanged,
    yes,
)
from lab.bench.interop.world import LIMIT, TOP, World
from lab.check import soon
from lab.providers.base import Progress
from lab.result import Result

FEATURES = (
    Feature("messages", "each is read by IMAP octet by octet as it was sent"),
    Feature("TLS 1.2", "with the server's name verified"),
    Feature("TLS 1.3", "with the server's name verified"),
    Feature("certificate", "who shows one that the access map names may relay"),
    Feature("CRAM-MD5", "who authenticates may relay"),
    Feature("SCRAM-SHA-256", "who authenticates may relay"),
    Feature("recipients", "a message to many reaches each of them, once"),
    Feature("PIPELINING", "the wire shows whether the program sends on before the reply"),
    Feature("SIZE", "the program says the size with MAIL"),
    Feature("8BITMIME", "the program says BODY=8BITMIME with MAIL"),
    Feature("too large", "552 5.3.4, the program says so, nothing is delivered"),
    Feature("CHUNKING", "it is not offered, and BDAT is not sent"),
    Feature("DSN", "a report on success comes, about that message"),
    Feature("SMTPUTF8", "it is not offered; the program says that the address cannot be used"),
)
RELAYED = f"relay@{POSTFIX.domain}"
WORDS = re.compile(
    r"^(?:EHLO|MAIL|RCPT|DATA|BDAT|QUIT|RSET)\b[^\r\n]*", re.MULTILINE | re.IGNORECASE
)
REFUSAL = re.compile(r"\b(5\d\d)\b\W+(?:b')?(\d\.\d\.\d)? ?([A-Z][A-Za-z ]+)?")
"""A reply, however a program shows it."""


@dataclass(slots=True)
class Sender:
    """One program at work."""

    world: World
    client: Client
    contents: Sequence[Content]
    sent: dict[str, Result] = field(default_factory=dict)

    def ident(self, what: str) -> str:
        """A message's identity."""
        return re.sub(r"[^a-z0-9]+", "-", self.client.name.lower()).strip("-") + f".{what}"

    def send(
        self, what: str, content: str = "plain", to: Sequence[str] = ("alice@lab.example",),
        *, tls: str = "", certificate: bool = False, auth: str = "", tapped: bool = False, report: bool = False,
    ) -> None:  # fmt: skip
        """Send one message; what the program said is kept."""
        ident = self.ident(what)
        path = self.world.message(content, ident, "alice@lab.example")
        order = Order(
            path, tuple(to), tls=tls, certificate=certificate, auth=auth,
            port=TAP if tapped else 25, envid=ident if report else "",
        )  # fmt: skip
        self.sent[what] = self.world.vm.run(self.client.command(order), check=False, timeout=120)

    def send_all(self, big: str) -> None:
        """One message for each feature; `big` is a file over the limit."""
        for content in self.contents:
            self.send(content.name, content.name, tls="1.3")
        self.send("tls12", tls="1.2")
        self.send("certificate", to=[RELAYED], tls="1.3", certificate=True)
        for mechanism in ("CRAM-MD5", "SCRAM-SHA-256"):
            if mechanism not in self.client.cannot:
                self.send(mechanism, to=[RELAYED], tls="1.3", auth=mechanism)
        self.send(
            "many", "8bit", [f"{name}@lab.example" for name in self.world.names()], tapped=True
        )
        if "DSN" not in self.client.cannot:
            self.send("dsn", report=True)
        self.send("utf8", to=["jörg@lab.example"])
        order = Order(big)
        self.sent["big"] = self.world.vm.run(self.client.command(order), check=False, timeout=120)

    # ---- what came of it -------------------------------------------------------------------

    def verdicts(
        self,
        read: Found,
        relayed: Found,
        reports: Sequence[Report],
        tap: Mapping[str, Sequence[str]],
    ) -> dict[str, Verdict]:
        """For each feature."""
        ident = self.ident
        said = tap.get(ident("many"), ())
        found = {
            "messages": unchanged(read, [ident(each.name) for each in self.contents]),
            "TLS 1.2": unchanged(read, [ident("tls12")], ["version=TLSv1.2"]),
            "TLS 1.3": unchanged(read, [ident("plain")], ["version=TLSv1.3"]),
            "certificate": unchanged(relayed, [ident("certificate")], ["verify=OK", "with ESMTPS"]),
            "recipients": self._many(),
            "PIPELINING": yes("used" if "pipelined" in said else "not used"),
            "SIZE": yes("said" if any("SIZE=" in word for word in said) else "not said"),
            "8BITMIME": yes("said" if any("8BITMIME" in word for word in said) else "not said"),
            "too large": self._refused("big", r"\b552\b"),
            "CHUNKING": held(
                "DATA" in said and not any("BDAT" in word for word in said), "not used", f"{said}"
            ),
            "SMTPUTF8": self._refused("utf8", ""),
        }
        for mechanism in ("CRAM-MD5", "SCRAM-SHA-256"):
            if mechanism not in self.client.cannot:
                found[mechanism] = unchanged(relayed, [ident(mechanism)], ["with ESMTPSA"])
        if "DSN" not in self.client.cannot:
            mine = [each for each in reports if each["About"] == ident("dsn")]
            good = [each.get("Action") for each in mine] == ["delivered"]
            found["DSN"] = held(
                good, "yes", f"{len(mine)} reports; the program: {self._said('dsn')}"
            )
        for name, why in self.client.cannot.items():
            found[name] = lacks(why)
        if failed := [
            name
            for name, result in self.sent.items()
            if not result.ok and name not in ("big", "utf8")
        ]:
            found["messages"] = no(f"{failed[0]}: {self._said(failed[0])}")
        return found

    def _said(self, what: str) -> str:
        result = self.sent[what]
        lines = [
            line.strip() for line in (result.stderr + result.stdout).splitlines() if line.strip()
        ]
        return f"exit {result.code}: {lines[-1] if lines else ''}"

    def _many(self) -> Verdict:
        wanted, got = self.world.people, self.world.copies(self.ident("many"))
        return held(got == wanted, f"{got} of {wanted}", f"{got} of {wanted}; {self._said('many')}")

    def _refused(self, what: str, pattern: str) -> Verdict:
        result = self.sent[what]
        if result.ok:
            return no("the program says that all is well")
        said = result.stderr + result.stdout
        reply = REFUSAL.search(said)
        words = " ".join(part for part in reply.groups() if part) if reply else said.strip()[-90:]
        return held(
            bool(re.search(pattern, said)), f"refused: {words}", f"said {said.strip()[-120:]}"
        )


def tapped(world: World) -> dict[str, list[str]]:
    """For each message that went through the tap: the commands, and `pipelined` if they came before the replies."""
    found = {}
    for line in world.vm.get(f"{TOP}/tap.log").decode().splitlines():
        session: list[tuple[str, str]] = json.loads(line)
        client = [text for side, text in session if side == "C"]
        ident = re.search(r"Message-ID: <([^@]+)@", "".join(client))
        if ident:
            before = "".join(client).split("Message-ID:")[0]
            words = [word.upper() for word in WORDS.findall(before)]
            early = any(len(WORDS.findall(text.split("Message-ID")[0])) > 1 for text in client)
            found[ident[1]] = words + ["pipelined"] * early
    return found


def run(
    world: World, clients: Sequence[Client], contents: Sequence[Content], progress: Progress
) -> dict[str, dict[str, Verdict]]:
    """Let all programs send, wait until MeTA1 has passed everything on, and judge."""
    big = f"{TOP}/big.eml"
    world.vm.run("{ cat %s; yes 0123456789abcdef | sed 's/$/\\r/' | head -c %s; } > %s",
                 f"{TOP}/templates/plain", (LIMIT // 18 + 1) * 18, big)  # fmt: skip
    world.root(
        "systemctl stop interop-tap 2> /dev/null; systemd-run --quiet --collect --unit interop-tap --uid lab"
        " python3 %s/tap.py %s %s/tap.log",
        TOP,
        TAP,
        TOP,
    )
    world.vm.wait_for("nc -z 127.0.1.1 %s", TAP)
    senders = [Sender(world, client, contents) for client in clients]
    for sender in senders:
        progress(f"{sender.client.name} sends")
        sender.send_all(big)
    progress("reading what has come")
    soon(world.queue_empty, bool)
    world.root("systemctl stop interop-tap")
    read, relayed = world.mailbox(), world.files(POSTFIX.mailbox)
    reports, tap = world.reports(), tapped(world)
    return {each.client.name: each.verdicts(read, relayed, reports, tap) for each in senders}

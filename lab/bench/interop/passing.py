"""MeTA1 hands mail to other servers, and takes it from them: each server's part, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lab.bench.interop.clients import CLIENTS
from lab.bench.interop.contents import Content
from lab.bench.interop.orders import Order
from lab.bench.interop.peers import AIOSMTPD, EXIM, POSTFIX, Peer
from lab.bench.interop.verdict import Feature, Found, Report, Verdict, held, lacks, unchanged
from lab.bench.interop.world import World
from lab.check import soon
from lab.providers.base import Progress

NEXT_HOP = (
    Feature("messages", "each arrives there octet by octet as it was sent to MeTA1"),
    Feature("STARTTLS", "used, version 1.3, name and chain verified: nothing goes out otherwise"),
    Feature("certificate", "MeTA1 shows its own, and the server finds it good"),
    Feature("recipients", "a message to many reaches each of them, once"),
    Feature("unknown user", "refused there with 550: the sender gets a report, 5.1.1"),
    Feature(
        "DSN",
        "who offers it gets NOTIFY, RET, ENVID and ORCPT, and its report tells; else MeTA1 reports",
    ),
)
DOORS = (
    Feature("TLS 1.2", "a server that has nothing newer gets mail, verified"),
    Feature("SIZE", "a message larger than the server says comes back with 5.3.4"),
    Feature(
        "another name", "a server whose certificate has another name gets nothing; the mail waits"
    ),
    Feature(
        "no STARTTLS", "a server without it gets nothing either, while MeTA1 is told to verify"
    ),
    Feature(
        "nothing offered",
        "without that, a server that offers neither TLS, PIPELINING, 8BITMIME nor DSN gets all",
    ),
)
CLIENT = (
    Feature("messages", "each is read by IMAP octet by octet as it was sent to that server"),
    Feature("STARTTLS", "used, version 1.3, MeTA1's name and chain verified"),
    Feature("certificate", "that server shows its own, and MeTA1 finds it good"),
    Feature("recipients", "a message to many reaches each of them, once"),
    Feature("relaying", "mail for a third server is taken from it: by AUTH, or by its certificate"),
    Feature("unknown user", "refused by MeTA1 with 550: that server reports to the sender"),
    Feature("DSN", "MeTA1 delivers and reports to the sender: it is the last that knows DSN"),
    Feature("SMTPUTF8", "MeTA1 does not offer it: that server reports to the sender"),
)
SMTPLIB = next(each for each in CLIENTS if each.name == "smtplib")
RELAYS = {
    POSTFIX.name: (EXIM, "with ESMTPSA", "SCRAM-SHA-256"),
    EXIM.name: (POSTFIX, "with ESMTPSA", "CRAM-MD5"),
}
"""For each server that sends through MeTA1: to which other one, what MeTA1 then writes, and how it may."""


@dataclass(slots=True)
class Passing:
    """Messages on their way through MeTA1."""

    world: World
    contents: Sequence[Content]
    peers: Sequence[Peer]
    refused: dict[str, str] = field(default_factory=dict)

    def send(
        self,
        ident: str,
        content: str,
        to: Sequence[str],
        sender: str,
        server: str,
        *,
        report: bool = False,
    ) -> None:
        """Hand a message to a server by smtplib; to MeTA1 inside TLS and as Alice."""
        path = self.world.message(content, ident, "someone@interop.example")
        order = Order(path, tuple(to), sender, envid=ident if report else "")
        if server:
            order = Order(path, tuple(to), sender, server, envid=ident if report else "")
        else:
            order = Order(
                path, tuple(to), sender, tls="1.3", auth="CRAM-MD5", envid=ident if report else ""
            )
        done = self.world.vm.run(SMTPLIB.command(order), check=False, timeout=120)
        if not done.ok:
            self.refused[ident] = done.stderr.strip()[-150:]

    # ---- MeTA1 is the client ---------------------------------------------------------------

    def out(self, peer: Peer) -> None:
        """Everything to one server."""
        base, to = f"to-{peer.domain}", [f"relay@{peer.domain}"]
        for content in self.contents:
            self.send(f"{base}.{content.name}", content.name, to, "alice@lab.example", "")
        people = [f"{name}@{peer.domain}" for name in self.world.names()]
        self.send(f"{base}.many", "plain", people, "alice@lab.example", "")
        self.send(f"{base}.unknown", "plain", [f"nobody@{peer.domain}"], "alice@lab.example", "")
        self.send(f"{base}.dsn", "plain", to, "alice@lab.example", "", report=True)

    def out_verdicts(self, peer: Peer) -> dict[str, Verdict]:
        """What came of it; waits for what comes late."""
        base, world = f"to-{peer.domain}", self.world
        idents = [f"{base}.{each.name}" for each in self.contents]
        people = world.people
        found = soon(
            lambda: world.files(peer.mailbox),
            lambda f: all(i in f for i in idents) and len(f.get(f"{base}.many", ())) >= people,
        )
        log = world.vm.get("/var/log/mail.log").decode(errors="replace")
        tls = [
            line
            for line in log.splitlines()
            if "starttls side=client" in line and peer.host in line
        ]
        good = [line for line in tls if "version=TLSv1.3" in line and "verify=OK" in line]
        copies = found.get(f"{base}.many", ())
        right = len(copies) == people and not any(wrong for _, wrong in copies)
        return {
            "messages": unchanged(found, idents),
            "STARTTLS": held(
                bool(tls) and good == tls,
                f"{len(tls)} sessions",
                "; ".join(tls)[-150:] or "no session",
            ),
            "certificate": self._own_certificate(peer, found, log),
            "recipients": held(
                right, f"{len(copies)} of {people}", f"{len(copies)} of {people} {copies[:1]}"
            ),
            "unknown user": self._report(
                f"{base}.unknown", "", "failed", "mail.lab.example", {"Status": "5.1.1"}
            ),
            "DSN": self._out_dsn(peer, f"{base}.dsn"),
        }

    def _out_dsn(self, peer: Peer, ident: str) -> Verdict:
        if peer is AIOSMTPD:
            return self._report(
                ident, "", "relayed", "mail.lab.example", {"Original-Envelope-Id": ident}
            )
        about = {
            "Original-Envelope-Id": ident,
            "Original-Recipient": f"rfc822;first+{ident}@lab.example",
        }
        return self._report(ident, "", "delivered", peer.host, about)

    def _own_certificate(self, peer: Peer, found: Found, log: str) -> Verdict:
        if peer is POSTFIX:
            before = "".join(copy[0] for copy in found.get(f"to-{peer.domain}.plain", ()))
            return held("(verified OK)" in before, "verified OK", before[:150])
        if peer is EXIM:
            return held("CV=yes" in log, "verified", "no CV=yes in its log")
        return lacks("does not ask")

    def doors(self) -> dict[str, Verdict]:
        """Doors of Postfix at which something is missing or wrong; MeTA1 is told to verify, then not."""
        world, sender = self.world, "alice@lab.example"
        for name, content in {"small": "plain", "wrong": "plain", "clear": "8bit"}.items():
            self.send(f"door.{name}", content, [f"relay@{name}.postfix.example"], sender, "")
        self.send("door.large", "large", ["relay@small.postfix.example"], sender, "")
        large = self._report("door.large", "", "failed", "mail.lab.example", {"Status": "5.3.4"})
        found = soon(lambda: world.files(POSTFIX.mailbox), lambda f: "door.small" in f)
        waiting = world.root("mailq")
        verdicts = {
            "TLS 1.2": unchanged(found, ["door.small"], ["using TLSv1.2"]),
            "SIZE": large,
            "another name": self._waits(found, "wrong", waiting),
            "no STARTTLS": self._waits(found, "clear", waiting),
        }
        world.meta1(verify=False)
        self.send(
            "door.clear-dsn", "8bit", ["relay@clear.postfix.example"], sender, "", report=True
        )
        both = ["door.clear", "door.clear-dsn"]
        found = soon(
            lambda: world.files(POSTFIX.mailbox), lambda f: all(each in f for each in both)
        )
        told = self._report("door.clear-dsn", "", "relayed", "mail.lab.example", {})
        arrived = unchanged(found, both)
        verdicts["nothing offered"] = arrived if arrived.holds is False else told
        return verdicts

    def _waits(self, found: Found, door: str, waiting: str) -> Verdict:
        listed = [line for line in waiting.splitlines() if f"{door}.postfix.example" in line]
        return held(
            f"door.{door}" not in found and bool(listed), "waits", f"{listed or waiting[-150:]}"
        )

    # ---- MeTA1 is the server ---------------------------------------------------------------

    def back(self, peer: Peer) -> None:
        """Everything from one server."""
        base, sender = f"from-{peer.domain}", f"relay@{peer.domain}"
        for content in self.contents:
            self.send(
                f"{base}.{content.name}", content.name, ["alice@lab.example"], sender, peer.host
            )
        people = [f"{name}@lab.example" for name in self.world.names()]
        self.send(f"{base}.many", "plain", people, sender, peer.host)
        self.send(f"{base}.unknown", "plain", ["nobody@lab.example"], sender, peer.host)
        self.send(f"{base}.dsn", "plain", ["alice@lab.example"], sender, peer.host, report=True)
        self.send(
            f"{base}.relayed", "8bit", [f"relay@{RELAYS[peer.name][0].domain}"], sender, peer.host
        )
        self.send(f"{base}.utf8", "plain", ["jörg@lab.example"], sender, peer.host)

    def back_verdicts(self, peer: Peer) -> dict[str, Verdict]:
        """What came of it; waits for what comes late."""
        base, world = f"from-{peer.domain}", self.world
        idents = [f"{base}.{each.name}" for each in self.contents]
        found = soon(world.mailbox, lambda f: all(i in f for i in idents))
        copies = soon(lambda: world.copies(f"{base}.many"), lambda n: n == world.people)
        third, trace, how = RELAYS[peer.name]
        relayed = lacks("the third is not there")
        if third in self.peers:
            far = soon(lambda: world.files(third.mailbox), lambda f: f"{base}.relayed" in f)
            relayed = unchanged(far, [f"{base}.relayed"], [trace, "by mail.lab.example"])
        utf8 = self._report(f"{base}.utf8", peer.mailbox, "", "", {})
        return {
            "messages": unchanged(found, idents),
            "STARTTLS": unchanged(found, [f"{base}.plain"], ["version=TLSv1.3"]),
            "certificate": unchanged(found, [f"{base}.plain"], ["verify=OK"]),
            "recipients": held(
                copies == world.people, f"{copies} of {world.people}", f"{copies} of {world.people}"
            ),
            "relaying": held(True, how, "") if relayed.holds else relayed,
            # Exim reports 5.0.0 and has our 5.1.1 in the text, so the status is not asked for.
            "unknown user": self._report(f"{base}.unknown", peer.mailbox, "failed", peer.host, {}),
            "DSN": self._report(f"{base}.dsn", peer.mailbox, "delivered", "mail.lab.example", {}),
            "SMTPUTF8": utf8,
        }

    # ---- reports ---------------------------------------------------------------------------

    def _report(
        self, ident: str, where: str, action: str, by: str, fields: Mapping[str, str]
    ) -> Verdict:
        """A report about a message, by a server, with these fields."""

        def mine() -> list[Report]:
            return [each for each in self.world.reports(where) if each["About"] == ident]

        if ident in self.refused:
            return held(False, "", self.refused[ident])
        found = soon(mine, bool)
        if len(found) != 1:
            return held(False, "", f"{len(found)} reports")
        # Case and blanks are free in such fields, and Exim leaves the `+` of an address encoded (RFC 3461 xtext).
        report = {
            name.lower(): value.replace(" ", "").replace("+2B", "+").lower()
            for name, value in found[0].items()
        }
        wanted = {"Action": action, "Reporting-MTA": f"dns;{by}" if by else "", **fields}
        wrong = {
            name: report.get(name.lower())
            for name, value in wanted.items()
            if value and report.get(name.lower()) != value.lower()
        }
        return held(not wrong, action or "reported", f"{wrong} instead of {wanted}")


def run(
    passing: Passing, progress: Progress
) -> tuple[dict[str, dict[str, Verdict]], dict[str, Verdict], dict[str, dict[str, Verdict]]]:
    """All: next hops, doors, clients."""
    clients = [peer for peer in passing.peers if peer.name in RELAYS]
    for peer in passing.peers:
        progress(f"MeTA1 sends to {peer.name}")
        passing.out(peer)
    out = {peer.name: passing.out_verdicts(peer) for peer in passing.peers}
    for peer in clients:
        progress(f"{peer.name} sends to MeTA1")
        passing.back(peer)
    back = {peer.name: passing.back_verdicts(peer) for peer in clients}
    progress("servers at which something is missing or wrong")
    return out, passing.doors(), back

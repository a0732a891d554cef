"""Nobody relays who may not: every known way to write a foreign address, every known way to look like a friend."""

from __future__ import annotations

import re

from lab.bench.edits import Edit
from lab.bench.security.proof import Proof, hold, same
from lab.bench.security.steps import REPLY, Step
from lab.bench.security.target import Target

OUTSIDE = "someone@elsewhere.example"
RECIPIENTS = (
    f"<{OUTSIDE}>", "<Someone@ELSEWHERE.EXAMPLE>", "<someone@elsewhere.example.>", "someone@elsewhere.example",
    "<someone%elsewhere.example@lab.example>", "<someone%elsewhere.example>",
    "<someone%elsewhere.example@[127.0.1.1]>",
    "<elsewhere.example!someone>", "<elsewhere.example!someone@lab.example>", "<lab.example!elsewhere.example!someone>",
    f'<"{OUTSIDE}">', f'<"{OUTSIDE}"@lab.example>', f"<{OUTSIDE}@lab.example>",
    '<"someone%elsewhere.example"@lab.example>',
    f"<@lab.example:{OUTSIDE}>", f"<@lab.example,@mail.lab.example:{OUTSIDE}>", f"<@elsewhere.example:{OUTSIDE}>",
    "<someone@[192.0.2.1]>", "<someone@[IPv6:2001:db8::1]>", "<someone@192.0.2.1>", "<someone@3221225985>",
    "<someone@lab.example.elsewhere.example>", "<someone@elsewhere.example,alice@lab.example>",
    f"<{OUTSIDE}> <alice@lab.example>", "<alice@lab.example\0@elsewhere.example>", "<alice@lab.example,>",
    "<someone@elsewhere\x82\x2eexample>", "<someone@elsewhere\u00b7example>", "<someone@lab.example\x80>",
    "<someone@lab..example>", "<someone@.lab.example>", "<@lab.example>", "<lab.example>", "<someone@localhost>",
    "<postmaster@elsewhere.example>", '<"@lab.example:someone"@elsewhere.example>', "<>",
    "<;someone@elsewhere.example>",
    "<|/bin/sh@lab.example>", "</etc/passwd@lab.example>", "<someone(lab.example)@elsewhere.example>",
)  # fmt: skip
SENDERS = (
    "<mallory@elsewhere.example>", "<>", "<alice@lab.example>", "<root@localhost>", "<postmaster@mail.lab.example>",
    "<MAILER-DAEMON@lab.example>", "<alice@[127.0.1.1]>", f"<@lab.example:{OUTSIDE}>",
)  # fmt: skip
HELLOS = (
    "mallory.example",
    "mail.lab.example",
    "localhost",
    "[127.0.0.1]",
    "127.0.0.1",
    "lab.example",
)


def _asks(hello: str, sender: str, *recipients: str) -> list[Step]:
    """A session that names a sender and recipients."""
    steps: list[Step] = [
        REPLY,
        ("say", f"EHLO {hello}\r\n"),
        REPLY,
        ("say", f"MAIL FROM:{sender}\r\n"),
        REPLY,
    ]
    for each in recipients:
        steps += [("say", f"RCPT TO:{each}\r\n"), REPLY]
    return steps


def disguises(target: Target) -> int:
    """All recipients; then all senders and names of a client with a plain foreign recipient."""
    strange = [_asks("mallory.example", "<mallory@elsewhere.example>", each) for each in RECIPIENTS]
    friendly = [_asks(hello, sender, f"<{OUTSIDE}>") for hello in HELLOS for sender in SENDERS]
    for said, steps in zip(target.talk(*strange, *friendly), strange + friendly, strict=True):
        hold(said[-1][:2] in ("55", "50"), f"{steps[2:]}: {said[-1]!r}")
    own = target.talk(_asks("friend.example", "<friend@elsewhere.example>", "<alice@lab.example>"))
    hold(own[0][-1].startswith("250"), f"mail for our own user is refused: {own}")
    return len(strange) + len(friendly)


def by_swaks(target: Target) -> int:
    """A tool that is not ours, from a stranger's address, in clear text and in TLS, up to the end of a mail."""
    options = (
        "",
        "--tls",
        "--tls --pipeline",
        "--pipeline",
        "--protocol SMTP",
        "--force-getpwuid",
        "--ehlo localhost",
    )
    for each in options:
        command = f"swaks --server 127.0.0.1 --local-interface 127.0.0.9 {each} --from %s --to %s --suppress-data"
        done = target.vm.run(command, "mallory@elsewhere.example", OUTSIDE, check=False)
        hold(
            not done.ok and re.search(r"<[*~!-]* +550 5\.7\.1", done.stdout),
            f"{each}: {done.stdout[-400:]}",
        )
    return len(options)


def by_nmap(target: Target) -> int:
    """The sixteen ways of nmap's smtp-open-relay."""
    arguments = (
        "smtp-open-relay.domain=mallory.example,smtp-open-relay.to=someone@elsewhere.example"
    )
    done = target.vm.run(
        f"nmap -v -n -Pn --unprivileged -p 25 --script smtp-open-relay --script-args {arguments} 127.0.0.1",
        timeout=120,
    )
    said = [
        line.strip("|_ ") for line in done.lines if "smtp-open-relay" in line and "relay:" in line
    ]
    same(
        said,
        ["smtp-open-relay: Server doesn't seem to be an open relay, all tests failed"],
        done.stdout[-600:],
    )
    return 16


CERTIFICATES = (
    # The right names, signed by somebody else whose name is that of our authority (chapter 3's stranger).
    ("/O=MeTA1 lab/CN=alice", "stranger"),
    # Signed by our authority, with other names: none of them is that of the access map.
    ("/CN=alice", "lab"), ("/O=MeTA1 lab/CN=mallory", "lab"), ("/O=MeTA1 lab/CN=alice/CN=mallory", "lab"),
    ("/O=MeTA1 lab/OU=x/CN=alice", "lab"), ("/CN=alice/O=MeTA1 lab", "lab"), (r"/O=MeTA1 lab\/CN=alice", "lab"),
    (r"/O=MeTA1 lab/CN=alice\ ", "lab"),
)  # fmt: skip
MAKE = """\
cd ~/ca && openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -utf8 -subj %s \\
  -keyout /tmp/proof%s.key -out /tmp/proof%s.req 2> /dev/null
openssl x509 -req -in /tmp/proof%s.req -CA cacert.pem -CAkey cakey.pem -days 2 -out /tmp/proof%s.pem 2> /dev/null
"""


def certificates(target: Target) -> int:
    """Certificates that are not Alice's, and look like it."""
    sessions = []
    for number, (subject, signer) in enumerate(CERTIFICATES):
        pair = ["/home/lab/stranger/cert.pem", "/home/lab/stranger/key.pem"]
        if signer == "lab":
            target.vm.run(MAKE, subject, *[number] * 4)
            pair = [f"/tmp/proof{number}.pem", f"/tmp/proof{number}.key"]
        sessions.append(_with_certificate(pair))
    alice = _with_certificate(["/home/lab/alice/cert.pem", "/home/lab/alice/key.pem"])
    *said, right = target.talk(*sessions, alice)
    target.vm.run("rm -f /tmp/proof[0-9].*")
    hold(right[-1].startswith("250"), f"Alice herself may not relay: {right}")
    for (subject, signer), each in zip(CERTIFICATES, said, strict=True):
        hold(each[-1].startswith("550 5.7.1"), f"{subject} by {signer}: {each}")
    return len(sessions)


def _with_certificate(pair: list[str]) -> list[Step]:
    start: list[Step] = [
        REPLY,
        ("say", "EHLO m.example\r\n"),
        REPLY,
        ("say", "STARTTLS\r\n"),
        REPLY,
        ("tls", *pair),
    ]
    return start + _asks("m.example", "<m@elsewhere.example>", f"<{OUTSIDE}>")[1:]


def routed_local_parts(target: Target) -> int:
    """The access map allows mail to a domain; its server shall not be asked to pass it on."""
    recipients = (
        "<someone%elsewhere.example@sink.liar.example>", "<elsewhere.example!someone@sink.liar.example>",
        f'<"{OUTSIDE}"@sink.liar.example>', '<"someone%elsewhere.example"@sink.liar.example>',
    )  # fmt: skip
    asks = [
        _asks("m.example", "<m@elsewhere.example>", each)
        for each in (*recipients, "<x@sink.liar.example>")
    ]
    *said, plain = target.talk(*asks)
    hold(plain[-1].startswith("250"), f"the map does not work: {plain}")
    for each, answer in zip(recipients, said, strict=True):
        hold(answer[-1].startswith("550 5.7.1"), f"{each}: {answer[-1]}")
    return len(recipients)


EVERYBODY_RELAYS = (Edit("access.py", "    if relay or relay_to:\n", "    if True:\n"),)
ANY_CHAIN_IS_GOOD = (
    Edit(
        "access.py",
        'if client.tls_verify != "OK" or not client.cert_issuer:',
        "if not client.cert_issuer:",
    ),
)
SLASH_IS_PLAIN = (Edit("certificate.py", "[^!#-'*,-.0-;=?-~]", "[^!#-'*,-;=?-~]"),)
ROUTES_ARE_PASSED_ON = (
    Edit(
        "access.py",
        "return not _ROUTING_CHARACTERS.isdisjoint(",
        "return False and not _ROUTING_CHARACTERS.isdisjoint(",
    ),
)

PROOFS = (
    Proof(
        "Open relay",
        "%-hack, bang path, source routes, quotes, literals, trailing dots, 8-bit dots, NUL; null sender, our own "
        "addresses as sender, our own names in EHLO",
        "5yz to every foreign recipient, from everybody",
        "RFC 5321 section 3.6, RFC 2505",
        "own client",
        disguises,
        {"everybody may relay": EVERYBODY_RELAYS},
    ),
    Proof(
        "Open relay, by swaks",
        "a foreign recipient in clear text, in TLS, pipelined",
        "550 5.7.1",
        "RFC 2505",
        "swaks",
        by_swaks,
        {"everybody may relay": EVERYBODY_RELAYS},
    ),
    Proof(
        "Open relay, by nmap",
        "the tests of smtp-open-relay",
        "all tests fail",
        "RFC 2505",
        "nmap",
        by_nmap,
        {"everybody may relay": EVERYBODY_RELAYS},
    ),
    Proof(
        "Relaying by certificate",
        "certificates of another authority with our names, and of ours with names like the one that may relay",
        "550 5.7.1: the chain is verified, and the whole name counts",
        "RFC 3207 section 4.1",
        "own client, openssl",
        certificates,
        {
            "any chain is good": ANY_CHAIN_IS_GOOD,
            "a slash in a name is not encoded": SLASH_IS_PLAIN,
        },
    ),
    Proof(
        "Relaying behind the next server",
        "routed local parts at a domain that the access map allows",
        "550 5.7.1",
        "RFC 5321 appendix F.2",
        "own client",
        routed_local_parts,
        {"routes are passed on": ROUTES_ARE_PASSED_ON},
    ),
)

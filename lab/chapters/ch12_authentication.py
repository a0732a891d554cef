"""Chapter 12: users of sasldb2 log in inside TLS, by proof and not by password, and may then relay."""

import re

from lab import check
from lab.chapters import Check
from lab.host import Host

SERVER = "mail.lab.example"
SWAKS = (
    f"swaks --server {SERVER} --local-interface 127.0.0.9 --quit-after %s "
    "--from someone@elsewhere.example --to someone@partner.example"
)
LOGIN = f"SWAKS_OPT_auth_password=%s {SWAKS} -tls --auth CRAM-MD5 --auth-user %s"
SCRAM = f"/usr/lib/cyrus/bin/smtptest -t '' -m SCRAM-SHA-256 -a %s -u %s {SERVER}"
REPLY = re.compile(r"^<.[ *] +(\d{3} \d\.\d\.\d)\b", re.MULTILINE)
"""A reply of the server with an enhanced code, as swaks prints it."""


def replies(vm: Host, user: str, password: str) -> list[str]:
    """Log in by CRAM-MD5 inside TLS and ask for a recipient abroad; the codes of all replies."""
    said = vm.run(LOGIN, password, "RCPT", user, check=False).stdout
    return REPLY.findall(said)


def _secret(vm: Host, user: str) -> str:
    return vm.get(f"secrets/{user}").decode()


def _server_alone_reads(vm: Host) -> None:
    """The client has no use for secrets, so it shall not read them."""
    for user, may in {"meta1s": True, "meta1c": False}.items():
        found = vm.run("test -r /etc/sasldb2", as_user=user, check=False).ok
        check.equal(f"{user} may read the secrets", found, may)


def _login_allows_to_relay(vm: Host) -> None:
    """Asked with a wrong password as well: a server that lets everybody relay would pass otherwise."""
    right = replies(vm, "alice", _secret(vm, "alice"))
    check.equal(
        "Alice logs in and sends abroad", right[-4:-1], ["235 2.7.0", "250 2.1.0", "250 2.1.5"]
    )
    wrong = replies(vm, "alice", "guess")
    check.true("a wrong password is refused", "535 5.7.8" in wrong and "235 2.7.0" not in wrong)
    said = vm.run(f"{SWAKS} -tls", "RCPT", check=False).stdout
    check.true("without a login nobody sends abroad", "550 5.7.1" in REPLY.findall(said))


def _offered(vm: Host, *options: str) -> set[str]:
    """What the last EHLO of a session offers for AUTH."""
    said = vm.run(SWAKS + " %s" * len(options), "EHLO", *options, check=False).stdout
    lines: list[str] = re.findall(r"250[- ]AUTH (.*)", said.rpartition("EHLO")[2])
    return set(lines[0].split()) if lines else set()


def _only_inside_tls(vm: Host) -> None:
    check.equal("offered without TLS", _offered(vm), set())
    check.equal("offered inside TLS", _offered(vm, "-tls"), {"SCRAM-SHA-256", "CRAM-MD5"})


def _scram_for(vm: Host, user: str) -> None:
    with vm.dialog(SCRAM, user, user, echo=False, timeout=60) as talk:
        talk.expect("password:")
        talk.say(_secret(vm, user), secret=True)
        said = talk.expect("^(Authenticated|Authentication failed)")
        check.true(f"{user} logs in by SCRAM", said.startswith("Authenticated"))


def _scram_for_both(vm: Host) -> None:
    check.true("SCRAM is offered", "SCRAM-SHA-256" in _offered(vm, "-tls"))
    _scram_for(vm, "alice")
    _scram_for(vm, "bob")


CHECKS = (
    Check(
        "the server may read the secrets, the client may not",
        _server_alone_reads,
        "meta1s belongs into the group sasl; a process gets its groups when it starts",
    ),
    Check(
        "who has logged in may send abroad",
        _login_allows_to_relay,
        "is the mechanism one of trusted_mechanisms? /var/log/mail.log and auth.log say why it fails",
    ),
    Check(
        "SCRAM and CRAM-MD5 are offered, inside TLS only",
        _only_inside_tls,
        'trusted_mechanisms = "SCRAM-SHA-256 CRAM-MD5" and flags = { noplaintext, require_tls }',
    ),
    Check(
        "Alice and Bob log in by SCRAM",
        _scram_for_both,
        "smtptest -t '' -m SCRAM-SHA-256 shows each step",
    ),
)


def _dora_may_send(vm: Host) -> None:
    """With the password of her file; and Alice's still works."""
    check.file_is(vm, "/home/lab/secrets/dora", owner="lab")
    for user in ("dora", "alice"):
        check.true(f"{user} sends abroad", "250 2.1.5" in replies(vm, user, _secret(vm, user)))


EXERCISE = ("dora logs in with the password of secrets/dora and may send", _dora_may_send)

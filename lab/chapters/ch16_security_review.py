"""Chapter 16: nothing is changed, all is looked at: the list of what was proved, and the proofs."""

from lab import check
from lab.chapters import Check
from lab.chapters.stranger import reply_to
from lab.host import Host

REVIEW = "/home/lab/review.txt"
ONLY_FOR = {
    "/etc/meta1/CA/newreq.pem": {"meta1s", "meta1c"},
    "/var/spool/meta1/cdb": {"meta1s", "meta1c"},
    "/var/spool/meta1/ibdb": {"meta1q"},
    "/var/spool/cyrus/mail": set(),
    "/home/lab/ca/cakey.pem": set(),
}
USERS = ("meta1s", "meta1c", "meta1q", "meta1m")
DISGUISES = ("someone@elsewhere.example", "someone%elsewhere.example@lab.example", "x@[192.0.2.1]")
TLS = "openssl s_client -starttls smtp -connect mail.lab.example:25 %s < /dev/null"


def _noted(vm: Host, what: str) -> None:
    """The review says so; whether it still holds is tested after this."""
    check.file_has(vm, REVIEW, what)


def _rights(vm: Host) -> None:
    _noted(vm, "no module holds a right of root")
    _noted(vm, "no module reads more than its part needs")
    for path, expected in ONLY_FOR.items():
        found = {user for user in USERS if vm.run("test -r %s", path, as_user=user, check=False).ok}
        check.equal(f"who can read {path}", found, expected)


def _relay(vm: Host) -> None:
    _noted(vm, "nobody relays in disguise")
    for recipient in DISGUISES:
        check.true(f"{recipient} is refused", reply_to(vm, recipient).startswith("55"))


def _one_message(vm: Host) -> None:
    _noted(vm, "one message stays one")
    _noted(vm, "no command slips in before TLS")
    found = "grep -rl '^Subject: smuggled' /var/spool/cyrus/mail | wc -l"
    check.says(vm, "smuggled messages in mailboxes", found, "0", as_user="cyrus")


def _shakes_hands(vm: Host, *options: str) -> bool:
    """Whether TLS begins with these options of openssl."""
    return vm.run(TLS % " ".join(options), check=False).ok


def _tls(vm: Host) -> None:
    _noted(vm, "TLS 1.2 and 1.3, no weak cipher")
    check.true("TLS 1.3 is spoken", _shakes_hands(vm, "-tls1_3"))  # the exercise does without 1.2
    old = _shakes_hands(vm, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0")
    check.true("TLS 1.1 is not", not old)


def _secrets(vm: Host) -> None:
    _noted(vm, "no secret in a log")
    look = "for f in /home/lab/secrets/*; do grep -rlFf $f /var/log; done | wc -l"
    check.says(vm, "logs with a password in them", look, "0", as_user="root")


def _only_13(vm: Host) -> None:
    check.true("TLS 1.3 works", _shakes_hands(vm, "-tls1_3"))
    refused = f"! {TLS % '-tls1_2'}"
    check.holds(vm, "TLS 1.2 does not", refused, timeout=5)  # a reload takes its time


CHECKS = (
    Check(
        "who can read what was tried as each user",
        _rights,
        "the notebook tries every file as meta1s, meta1c, meta1q, meta1m, and notes it",
    ),
    Check(
        "no disguise makes it an open relay",
        _relay,
        "swaks from 127.0.0.9, with each way to write a foreign address; it must say 55x",
    ),
    Check(
        "no message was smuggled in, no command before TLS",
        _one_message,
        "raw.py sends false ends of a message; the review notes what came of it",
    ),
    Check(
        "TLS was scanned",
        _tls,
        "sslscan --starttls-smtp localhost:25",
    ),
    Check(
        "no password stands in a log",
        _secrets,
        "grep -rFf each file of /home/lab/secrets in /var/log",
    ),
)

EXERCISE = ("TLS 1.3 is spoken and nothing older", _only_13)

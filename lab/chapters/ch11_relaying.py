"""Chapter 11: relaying is closed but for one certificate, and the map in use is the text beside it."""

from lab import check
from lab.chapters import Check
from lab.chapters.stranger import reply_to
from lab.host import Host

ACCESS = "/etc/meta1/access"
ISSUER = "certissuer:/O=MeTA1+20lab/CN=Lab+20CA"
ACCEPTED, DENIED = "250 2.1.5", "550 5.7.1"


def rcpt(vm: Host, recipient: str, *options: str) -> str:
    """Code and enhanced code of the reply to a recipient."""
    return " ".join(reply_to(vm, recipient, *options).split()[:2])


def shows(who: str) -> tuple[str, ...]:
    """Options of swaks for a client with a certificate."""
    return "-tls", "--tls-cert", f"{who}/cert.pem", "--tls-key", f"{who}/key.pem"


def _only_alice(vm: Host) -> None:
    """All are asked: that the others are refused says nothing about a server which refuses all."""
    somebody = "someone@partner.example"
    check.equal("Alice's certificate", rcpt(vm, somebody, *shows("alice")), ACCEPTED)
    check.equal("the stranger's certificate", rcpt(vm, somebody, *shows("stranger")), DENIED)
    check.equal("TLS without a certificate", rcpt(vm, somebody, "-tls"), DENIED)
    check.equal("no TLS", rcpt(vm, somebody), DENIED)


def _not_the_printer(vm: Host) -> None:
    """Our own authority signed it, and still it may not relay; but it may send to our people."""
    verify = "openssl verify -CAfile /etc/meta1/CA/cacert.pem printer/cert.pem"
    check.holds(vm, "our authority signed for the printer", verify)
    printer = shows("printer")
    check.equal("printer abroad", rcpt(vm, "someone@partner.example", *printer), DENIED)
    check.equal("printer to Alice", rcpt(vm, "alice@lab.example", *printer), ACCEPTED)


def _map_is_the_text(vm: Host) -> None:
    """What createmap would make of the text is what the map holds."""
    made = "t=$(mktemp -d) && createmap hash $t/a.db < %s && createmap -d $t/a.db; rm -r $t"
    text = vm.run(made, ACCESS, check=False)
    found = vm.run("createmap -d %s", f"{ACCESS}.db", check=False)
    check.true("there is a text, and a map", text.stdout and found.ok)
    check.equal("the map holds what the text says", found.stdout, text.stdout)
    asked = vm.run("createmap -q %s %s", ISSUER, f"{ACCESS}.db", check=False)
    check.equal("the issuer alone is not enough", str(asked), "subject")


CHECKS = (
    Check(
        "Alice's certificate may relay, and nobody else",
        _only_alice,
        "certissuer with the value subject, certsubject with the value relay; names encoded, +20 is a blank",
    ),
    Check(
        "a certificate of our authority is not enough",
        _not_the_printer,
        "sign a certificate for CN=printer into ~/printer; certissuer must not say relay",
    ),
    Check(
        "access.db was made from the text beside it",
        _map_is_the_text,
        "createmap hash access.db < access, in /etc/meta1 and as root",
    ),
)


def _backup_is_open(vm: Host) -> None:
    check.equal("to backup.example", rcpt(vm, "someone@backup.example"), ACCEPTED)
    check.equal("to partner.example", rcpt(vm, "someone@partner.example"), DENIED)
    _only_alice(vm)


EXERCISE = ("anybody may send to backup.example through this server", _backup_is_open)

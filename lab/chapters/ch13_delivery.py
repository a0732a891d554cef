"""Chapter 13: letters that lie where their envelopes said, and not where their headers did."""

from email.message import EmailMessage

from lab import check
from lab.chapters import Check
from lab.host import Host

ALICE, BOB = "user/alice", "user/bob"
REPORT = "Undelivered mail returned to sender"
OURS = "by mail.lab.example (MeTA1."


def _headers(vm: Host, mailbox: str, subject: str) -> list[EmailMessage]:
    """Headers of the messages of a mailbox that have a subject."""
    text = vm.run(check.HEADERS, mailbox, as_user=check.MAIL_OWNER, check=False).stdout
    return [letter for letter in check.letters(text) if letter["Subject"] == subject]


def _came_over_tls(vm: Host) -> None:
    """Our server took it by TLS; Cyrus wrote down whom the envelope named as sender."""
    found = _headers(vm, ALICE, "the path")
    check.true("Alice has the letter", found)
    ours = [line for line in found[-1].get_all("Received", ()) if OURS in line]
    check.true("our server took it over TLS", ours and "with ESMTPS" in ours[0])
    check.equal("sender", found[-1]["Return-Path"], "<carol@partner.example>")


def _went_by_the_envelope(vm: Host) -> None:
    found = _headers(vm, BOB, "for your eyes")
    check.true("Bob has the letter", found)
    check.true("its header names Alice", "alice@lab.example" in found[-1]["To"])


def _outlived_the_kill(vm: Host) -> None:
    check.true("Alice has the letter", _headers(vm, ALICE, "kill me"))
    check.holds(vm, "modules were killed", f"grep -q 'module_ended .*signal' {check.LOG}")


def _had_three_fates(vm: Host) -> None:
    check.true("Bob has his", _headers(vm, BOB, "three fates"))
    partner = f"grep -q 'attempted to=carol@partner.example outcome=DELIVERED' {check.LOG}"
    check.holds(vm, "the partner took his", partner)
    check.true("Alice has a report", _headers(vm, ALICE, REPORT))


def _is_a_blind_copy(vm: Host) -> None:
    """The same message in both mailboxes, and no address of Alice's in a header field."""
    bob, alice = (_headers(vm, mailbox, "exercise 13") for mailbox in (BOB, ALICE))
    check.true("both have it", bob and alice)
    check.equal("Message-ID", bob[-1]["Message-ID"], alice[-1]["Message-ID"])
    named = [str(bob[-1].get(field, "")) for field in ("To", "Cc", "Bcc", "Received")]
    check.true("Bob's copy does not name Alice", "alice@" not in " ".join(named))


CHECKS = (
    Check(
        "a letter that came over TLS is in Alice's mailbox",
        _came_over_tls,
        "swaks --tls with --data @letter.eml; mailq and the log tell where it is",
    ),
    Check(
        "a letter to Alice by its header is in Bob's mailbox",
        _went_by_the_envelope,
        "the option --to is the envelope, whatever the header says",
    ),
    Check(
        "a letter that was in the queue when all modules were killed is there",
        _outlived_the_kill,
        "stop smtpc, send, kill all four with signal 9, and wait for mcp",
    ),
    Check(
        "one letter reached two domains, and a report tells of the third",
        _had_three_fates,
        "Alice's certificate lets her relay; the partner needs a server at 127.0.2.1",
    ),
)
EXERCISE = ("one message to Bob and to Alice, whose header names Bob alone", _is_a_blind_copy)

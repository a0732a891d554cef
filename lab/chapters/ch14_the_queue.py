"""Chapter 14: mail that waited and came, mail that came back, and nothing that was lost."""

from lab import check
from lab.chapters import Check
from lab.host import Host

REPORTS = """PATH=$PATH:/usr/lib/cyrus/bin; cd "$(mbpath -s user/alice)" &&
grep -h -A 2 '^Final-Recipient: rfc822; %s' [0-9]*. | tr -d '\\r' | grep '^Status:' | sort -u"""


def _came_after_all(vm: Host) -> None:
    """Held while Cyrus was down, and tried again by itself where there was no room."""
    check.mail_arrived(vm, "user/alice", subject="patience", timeout=0)
    check.mail_arrived(vm, "user/bob", subject="no room", timeout=0)
    check.holds(vm, "it was tried twice", f"grep -q 'to=bob.*RETRY.*attempt=2' {check.LOG}")


def _came_back(vm: Host) -> None:
    """Two reports in Alice's mailbox, each with the status that belongs to it."""
    for recipient, status in (("dora@lab.example", "5.1.1"), ("carol@partner.example", "5.4.7")):
        found = vm.run(REPORTS.replace("%s", recipient), as_user=check.MAIL_OWNER, check=False)
        check.true(f"a report about {recipient}", f"Status: {status}" in found.lines)


def _survived(vm: Host) -> None:
    """Letters of the load are in the mailbox, the machine has booted meanwhile, the queue is empty."""
    headers = vm.run(check.HEADERS, "user/alice", as_user=check.MAIL_OWNER, check=False).stdout
    check.true("60 letters of the load", headers.count("\nSubject: cut ") >= 60)
    check.says(vm, "the queue is empty", "mailq", "The queue is empty.", as_user="root")


def _why_is_known(vm: Host) -> None:
    check.says(vm, "why Dora's letter came back", "cat why", "Status: 5.1.1")


CHECKS = (
    Check(
        "mail that had to wait has arrived",
        _came_after_all,
        "mailq shows what waits and why; qmgrctl releases it",
    ),
    Check(
        "Alice has a report about Dora, and one about a partner who never answered",
        _came_back,
        "a line for dora in the map users makes RCPT believe in her; return_timeout ends waiting",
    ),
    Check(
        "what was taken before the power cut is in the mailbox",
        _survived,
        "ledger.py sends; Lab.current().power_cut() pulls the plug",
    ),
)
EXERCISE = ("the status of Alice's letter to Dora is in the file why", _why_is_known)

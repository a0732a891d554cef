"""Chapter 2: Cyrus keeps mail, takes it by LMTP from those who may, and gives it to those who log in."""

from lab import check
from lab.chapters import Check
from lab.host import Host


def _door_is_guarded(vm: Host) -> None:
    """The user lab is not in the group mail: it must not get in, and cyrus must."""
    reach = "test -S /var/imap/socket/lmtp"
    check.equal("lab at the LMTP socket", vm.run(reach, check=False).ok, False)
    check.holds(vm, "cyrus at the LMTP socket", reach, as_user="cyrus", timeout=5)


def _cyrus_stays(vm: Host) -> None:
    check.service_runs(vm, "cyrus-imapd")
    enabled = vm.run("systemctl is-enabled cyrus-imapd 2> /dev/null", check=False)
    check.equal("at the next boot", str(enabled), "enabled")


def _users_are_there(vm: Host) -> None:
    users = vm.run("sasldblistusers2", as_user="root", check=False).stdout
    for name in ("cyrus", "alice", "bob"):
        check.true(f"{name} is in sasldb2", f"{name}@mail.lab.example:" in users)


CHECKS = (
    Check(
        "Cyrus runs, and starts with the machine",
        _cyrus_stays,
        "systemctl enable --now; if it does not stay up, journalctl -u cyrus-imapd says why",
    ),
    Check(
        "the IMAP port answers",
        lambda vm: check.port_answers(vm, 143, starts_with="* OK", timeout=5),
        "cyrus.conf must name a service that listens on imap",
    ),
    Check(
        "only those who may deliver get to the LMTP socket",
        _door_is_guarded,
        "look at owner, group and mode of the folder, not of the socket: stat /var/imap/socket",
    ),
    Check(
        "alice, bob and cyrus have secrets",
        _users_are_there,
        "saslpasswd2 -c makes a user; -u must be the server's own name",
    ),
    Check(
        "the message sent by hand is in alice's mailbox",
        lambda vm: check.mail_arrived(vm, "user/alice", subject="by hand", timeout=0),
        "cyradm makes mailboxes; then speak LMTP to the socket, as cyrus",
    ),
)

EXERCISE = (
    "mail to alice+lists goes into her folder lists",
    lambda vm: check.mail_arrived(vm, "user/alice/lists", subject="to the list", timeout=0),
)

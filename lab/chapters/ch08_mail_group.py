"""Chapter 8: MeTA1's client reaches the LMTP socket of Cyrus, by a group that opens nothing else."""

from lab import check
from lab.chapters import Check
from lab.host import Host

FOLDER = "/var/imap/socket"
GREETING = f"nc -N -U {FOLDER}/lmtp < /dev/null"
SM_CHECK = "META1_MAILGROUP=lmtp /usr/local/sbin/sm.check.sh -p"


def _is_greeted(vm: Host, user: str) -> bool:
    return vm.run(GREETING, as_user=user, check=False).stdout.startswith("220 ")


def _client_reaches_cyrus(vm: Host) -> None:
    check.true("Cyrus greets meta1c", _is_greeted(vm, "meta1c"), f"sudo -u meta1c {GREETING}")


def _others_do_not(vm: Host) -> None:
    """Once the client can, and only then, does it mean something that the other modules cannot."""
    _client_reaches_cyrus(vm)
    for user in ("meta1s", "meta1q", "meta1m"):
        check.true(f"Cyrus does not greet {user}", not _is_greeted(vm, user))


def _folder_is_of_the_group(vm: Host) -> None:
    check.file_is(vm, FOLDER, owner="cyrus", group="lmtp", mode="0750")


def _nothing_else_is_open(vm: Host) -> None:
    """What the group mail would give: asked once the door is open, or it would hold before."""
    _client_reaches_cyrus(vm)
    for question in ("test -r /etc/ssl/cyrus/key.pem", "test -w /var/mail"):
        open_to_it = vm.run(question, as_user="meta1c", check=False).ok
        check.true(f"meta1c: no {question}", not open_to_it, "id meta1c")


def _setup_check_is_content(vm: Host) -> None:
    found = vm.run(SM_CHECK, as_user="root", check=False)
    check.true("lmtp is in sm.check.sh's list", "meta1c is in group lmtp" in found.stdout)
    check.equal("sm.check.sh has nothing to mend", found.code, 0)


def _lab_passes_by_name(vm: Host) -> None:
    """By an entry of its own with x alone, the group untouched."""
    check.true("Cyrus greets lab", _is_greeted(vm, "lab"), GREETING)
    groups = vm.run("id --groups --name lab").stdout.split()
    check.true("lab is in no group for it", not {"lmtp", "mail", "cyrus"} & {*groups})
    check.true("lab cannot list the folder", not vm.run("ls %s", FOLDER, check=False).ok)
    owner = str(vm.run("stat -c %%U:%%G %s", FOLDER, as_user="root"))
    check.equal("the folder's owner and group", owner, "cyrus:lmtp")
    _client_reaches_cyrus(vm)


CHECKS = (
    Check(
        "Cyrus greets meta1c",
        _client_reaches_cyrus,
        "the folder's group is lmtp, and meta1c is in it",
    ),
    Check(
        "Cyrus greets no other module",
        _others_do_not,
        "only smtpc delivers: getent group lmtp",
    ),
    Check(
        "the folder of the socket belongs to group lmtp",
        _folder_is_of_the_group,
        "chgrp lmtp /var/imap/socket; mode 0750",
    ),
    Check(
        "meta1c has no right that it does not need",
        _nothing_else_is_open,
        "gpasswd --delete meta1c mail",
    ),
    Check(
        "MeTA1's check of the accounts passes with group lmtp",
        _setup_check_is_content,
        "META1_MAILGROUP=lmtp sm.check.sh -p says what to mend",
    ),
)

EXERCISE = ("lab passes through the folder by its name alone", _lab_passes_by_name)

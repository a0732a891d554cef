"""Chapter 6: users that separate MeTA1's parts, programs and directories with the right owners and modes."""

from lab import check
from lab.chapters import Check
from lab.host import Host

NUMBERS = {"meta1s": 260, "meta1q": 261, "meta1c": 262, "meta1m": 263, "meta1": 264}
MEMBERS = {"meta1s": {"meta1c", "meta1m"}, "meta1q": {"meta1m"}}
PROGRAMS = {
    "libexec": ("smtps", "smtpc", "qmgr", "smar"),
    "sbin": ("mcp", "mcp.sh", "sm.check.sh", "sm.setup.sh"),
    "bin": ("createmap", "mailq", "qmgrctl", "metaconf", "smconf"),
}
PLACES = {
    ".": "root:root 755",
    "cdb": "meta1s:meta1c 2750",
    "ibdb": "meta1q:meta1q 700",
    "defedb": "meta1q:meta1q 700",
    "smtps": "meta1s:meta1s 700",
    "qmgr": "meta1q:meta1q 711",
    "smar": "meta1m:meta1m 711",
}


def _accounts_exist(vm: Host) -> None:
    """With the numbers of the tutorial, and nobody can log in."""
    for name, number in NUMBERS.items():
        found = vm.run("getent passwd %s", name, check=False).stdout.strip().split(":")
        check.equal(name, found[2:4] + found[6:], [str(number)] * 2 + ["/usr/sbin/nologin"])


def _memberships(vm: Host) -> None:
    for name, groups in MEMBERS.items():
        found = set(str(vm.run("id -nG %s", name, check=False)).split())
        check.equal(f"groups of {name}", found, {name, *groups})


def _programs_are_installed(vm: Host) -> None:
    """All belong to root, nobody else may write, and they start."""
    for folder, names in PROGRAMS.items():
        for name in names:
            check.file_is(vm, f"/usr/local/{folder}/{name}", owner="root", mode="0755")
    for name in PROGRAMS["libexec"]:
        answers = vm.run("/usr/local/libexec/%s -V", name, check=False).ok
        check.true(f"{name} starts", answers, f"/usr/local/libexec/{name} -V")


def _places_are_right(vm: Host) -> None:
    for path, expected in PLACES.items():
        command = "cd /var/spool/meta1 && stat --format '%%U:%%G %%a' %s"
        check.equal(path, str(vm.run(command, path, as_user="root", check=False)), expected)


def _certificates_have_their_owners(vm: Host) -> None:
    """The numbers of chapter 3 mean somebody now."""
    check.file_is(vm, "/etc/meta1/CA/newreq.pem", owner="meta1s", group="meta1c", mode="0440")


def _image(vm: Host) -> None:
    """Programs and queue in the folder of the exercise, by lab, and complete."""
    check.file_is(vm, "/home/lab/image/usr/local/libexec/smtps", owner="lab", mode="0755")
    check.file_is(vm, "/home/lab/image/var/spool/meta1/cdb", owner="lab", mode="2750")


CHECKS = (
    Check(
        "five accounts with which nobody can log in",
        _accounts_exist,
        "./misc/sm.check.sh -p names the command for each",
    ),
    Check(
        "the groups by which they reach each other",
        _memberships,
        "run sm.check.sh -p once more when the users are there",
    ),
    Check(
        "the programs, for root alone to change",
        _programs_are_installed,
        "make install, as root, in the folder where lab has built it",
    ),
    Check(
        "the queue's directories, each for those who need it",
        _places_are_right,
        "sm.setup.sh, as root, makes and mends them",
    ),
    Check(
        "the key in /etc/meta1/CA is meta1s' and meta1c's",
        _certificates_have_their_owners,
        "it belongs to the numbers 260 and 262: are these the numbers of meta1s and meta1c?",
    ),
)
EXERCISE = ("an image of the installation in ~/image, made without root", _image)

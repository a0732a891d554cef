"""Chapter 1: the machine is there, its log has our line, and there is a place for passwords."""

from lab import check
from lab.chapters import Check
from lab.host import Host

PRACTICE = "/home/lab/secrets/practice"


def _password_is_kept(vm: Host) -> None:
    check.file_is(vm, PRACTICE, owner="lab", mode="0600")
    size = vm.run("stat --format %%s %s", PRACTICE).stdout
    check.true("it has 20 characters or more", int(size) >= 20, f"wc -c {PRACTICE}")


CHECKS = (
    Check(
        "our own line is in the mail log",
        lambda vm: check.file_has(vm, check.LOG, "the first line in our mail log"),
        "logger writes to the log; its --priority says which facility, and only 'mail' ends in mail.log",
    ),
    Check(
        "a folder for passwords that only lab can read",
        lambda vm: check.file_is(vm, "/home/lab/secrets", owner="lab", mode="0700"),
        "mkdir has an option --mode; 0700 is: the owner everything, others nothing",
    ),
)

EXERCISE = ("a long password lies in secrets/practice, for lab alone", _password_is_kept)

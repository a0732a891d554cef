"""Chapter 1: the machine is there, its log has our line, and there is a place for passwords."""

from lab import check
from lab.chapters import Check

LOG = "/var/log/mail.log"

CHECKS = (
    Check(
        "our own line is in the mail log",
        lambda vm: check.file_has(vm, LOG, "the first line in our mail log"),
        "logger writes to the log; its --priority says which facility, and only 'mail' ends in mail.log",
    ),
    Check(
        "a folder for passwords that only lab can read",
        lambda vm: check.file_is(vm, "/home/lab/secrets", owner="lab", mode="0700"),
        "mkdir has an option --mode; 0700 is: the owner everything, others nothing",
    ),
)

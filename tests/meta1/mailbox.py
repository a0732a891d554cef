"""Mailboxes of the real Cyrus: what lies there as files, and what their owner reads by IMAP."""

from __future__ import annotations

import json
import time
from pathlib import Path

from lab.host import Host

SUBJECTS = r"""PATH=$PATH:/usr/lib/cyrus/bin; cd "$(mbpath -s %s)" &&
find . -name '[0-9]*.' -exec grep --no-filename --max-count=1 '^Subject: ' '{}' '+'"""
READER = "/usr/local/share/imap.py"
PATIENCE = 20.0


def subjects(vm: Host, mailbox: str) -> list[str]:
    """The subjects of all messages, one each."""
    lines = vm.run(SUBJECTS, mailbox, as_user="cyrus", check=False, timeout=120).lines
    return [line.strip().removeprefix("Subject: ") for line in lines]


def read(vm: Host, user: str, subject: str, number: int = 1) -> list[str]:
    """Messages with a subject as their owner reads them, once as many have come as are awaited."""
    vm.put(Path(__file__).parent / "programs" / "imap.py", READER)
    deadline = time.monotonic() + PATIENCE
    while True:
        answer = vm.run(f"python3 {READER} %s %s", user, subject).stdout
        found = [str(each) for each in json.loads(answer)]
        if len(found) >= number or time.monotonic() > deadline:
            return found
        time.sleep(0.2)

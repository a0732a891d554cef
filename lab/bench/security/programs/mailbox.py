"""On the machine, as cyrus: the messages of a mailbox with a mark in them, as they lie there, as JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def messages(user: str, mark: str) -> list[str]:
    """All files of the mailbox that have the mark, in the order they came."""
    path = subprocess.run(
        ["/usr/lib/cyrus/bin/mbpath", "-s", f"user/{user}"],
        capture_output=True,
        text=True,
        check=True,
    )
    files = sorted(Path(path.stdout.strip()).glob("[0-9]*."), key=lambda each: int(each.name[:-1]))
    texts = [each.read_bytes() for each in files]
    return [text.decode("latin-1") for text in texts if mark.encode() in text]


if __name__ == "__main__":
    print(json.dumps(messages(*sys.argv[1:])))

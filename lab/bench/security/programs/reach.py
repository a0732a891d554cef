"""On the machine, as root: become an account and try every file: what it reads or writes that not all may, as JSON.

What is everybody's is left out: files that others may read, folders with the sticky bit, devices. A folder that can
be neither read nor entered hides what is below it, as it does from the account itself.
"""

from __future__ import annotations

import json
import os
import pwd
import stat
import sys
from collections.abc import Iterator

OUTSIDE = ("/proc", "/sys", "/dev", "/run/user")


def become(user: str) -> None:
    """Take the account's user and all of its groups, for good."""
    account = pwd.getpwnam(user)
    os.setgroups(os.getgrouplist(user, account.pw_gid))
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)


def paths() -> Iterator[str]:
    """All files and folders that the account can see."""
    for folder, folders, files in os.walk("/"):
        above = folder.rstrip("/")
        folders[:] = [each for each in folders if f"{above}/{each}" not in OUTSIDE]
        yield from (f"{above}/{each}" for each in (*folders, *files))


def main(user: str) -> None:
    """Try all."""
    become(user)
    reads, writes, tried = [], [], 0
    for path in paths():
        try:
            mode = os.lstat(path).st_mode
        except OSError:
            continue
        tried += 1
        if stat.S_ISLNK(mode) or stat.S_ISCHR(mode):
            continue
        if not mode & stat.S_IROTH and os.access(path, os.R_OK):
            reads.append(path)
        is_socket_of_all = stat.S_ISSOCK(mode) and mode & stat.S_IWOTH
        if not (is_socket_of_all or mode & stat.S_ISVTX) and os.access(path, os.W_OK):
            writes.append(path)
    print(json.dumps({"reads": reads, "writes": writes, "tried": tried}))


if __name__ == "__main__":
    main(sys.argv[1])

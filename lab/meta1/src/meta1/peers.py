"""Which users may talk to a module over its socket."""

from __future__ import annotations

import os
import pwd


def uids_of(*names: str | None) -> frozenset[int]:
    """The uids of those accounts that exist, and always root's and our own (tests, tools)."""
    accounts = (_uid_of(name) for name in names if name is not None)
    return frozenset({0, os.getuid(), *(uid for uid in accounts if uid is not None)})


def _uid_of(name: str) -> int | None:
    """The uid of one account, if there is such an account."""
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return None

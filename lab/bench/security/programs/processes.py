"""On the machine, as root: what the kernel says of MeTA1's processes, as JSON."""

from __future__ import annotations

import grp
import json
import pwd
import subprocess
from pathlib import Path
from typing import Any

NAMES = ("mcp", "smtps", "qmgr", "smtpc", "smar")
LISTENING = "0A"


def status(pid: str) -> dict[str, str]:
    """/proc/PID/status."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def listeners() -> dict[str, int]:
    """Ports that are listened on, by the inode of their socket."""
    found = {}
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == LISTENING or table.startswith("udp"):
                found[words[9]] = int(words[1].rpartition(":")[2], 16)
    return found


def ports(pid: str, known: dict[str, int]) -> list[int]:
    """Ports of a process, asked as its own user: root in a container may not look into others' files."""
    folder = Path(f"/proc/{pid}/fd")
    look = ["find", str(folder), "-type", "l", "-printf", r"%l\n"]
    owner = folder.stat()
    said = subprocess.run(
        look,
        capture_output=True,
        text=True,
        user=owner.st_uid,
        group=owner.st_gid,
        extra_groups=[],
        cwd="/",
    ).stdout
    links = [link for link in said.split("\n") if link.startswith("socket:")]
    if not links:
        raise SystemExit(f"the files of process {pid} cannot be seen")
    return sorted({known[link[8:-1]] for link in links if link[8:-1] in known})


def facts(pid: str, known: dict[str, int]) -> dict[str, Any]:
    """What is asked of a process."""
    seen = status(pid)
    gids = {*seen["Gid"].split(), *seen["Groups"].split()}
    return {
        "users": sorted({pwd.getpwuid(int(uid)).pw_name for uid in seen["Uid"].split()}),
        "groups": sorted(grp.getgrgid(int(gid)).gr_name for gid in gids),
        "capabilities": {
            key: int(value, 16) for key, value in seen.items() if key.startswith("Cap")
        },
        "no_new_privs": int(seen["NoNewPrivs"]),
        "umask": seen["Umask"],
        "ports": ports(pid, known),
    }


if __name__ == "__main__":
    found = {}
    for name in NAMES:
        for each in subprocess.run(
            ["pgrep", "-x", name], capture_output=True, text=True
        ).stdout.split():
            found[name] = facts(each, listeners())
    print(json.dumps(found))

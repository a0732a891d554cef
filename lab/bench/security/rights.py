"""What each process may do, looked at from outside: the kernel's word, and every file of the machine tried."""

from __future__ import annotations

import json
import re
from typing import Final

from lab.bench.edits import Command, Edit
from lab.bench.security.proof import Proof, hold, same
from lab.bench.security.target import PLACE, Target

USERS: Final = {"smtps": "meta1s", "qmgr": "meta1q", "smtpc": "meta1c", "smar": "meta1m"}
GROUPS: Final = {
    "meta1s": {"meta1s", "sasl", "meta1c", "meta1m"},
    "meta1q": {"meta1q", "meta1m"},
    "meta1c": {"meta1c", "lmtp"},
    "meta1m": {"meta1m"},
}
SPOOL = "/var/spool/meta1"
READS: Final = {
    "meta1s": {
        "/etc/sasldb2",
        "/etc/meta1/CA/newreq.pem",
        f"{SPOOL}/cdb",
        f"{SPOOL}/smtps",
        f"{SPOOL}/qmgr",
    },
    "meta1q": {f"{SPOOL}/ibdb", f"{SPOOL}/defedb", f"{SPOOL}/qmgr"},
    "meta1c": {
        "/etc/meta1/CA/newreq.pem",
        f"{SPOOL}/cdb",
        f"{SPOOL}/smtpc",
        f"{SPOOL}/qmgr",
        "/var/imap/socket",
        "/run/cyrus/socket",
    },
    "meta1m": {f"{SPOOL}/smar"},
}
"""What an account can read though not everybody can: these folders or files and what is below."""
WRITES: Final = {
    "meta1s": {f"{SPOOL}/cdb", f"{SPOOL}/smtps"},
    "meta1q": {f"{SPOOL}/ibdb", f"{SPOOL}/defedb", f"{SPOOL}/qmgr"},
    "meta1c": {f"{SPOOL}/smtpc", "/var/imap/socket", "/run/cyrus/socket"},
    "meta1m": {f"{SPOOL}/smar"},
}
"""What it can write."""
MCP_CAPABILITIES: Final = 0x04E3
"""chown, dac_override, kill, setgid, setuid, net_bind_service."""
EXPOSURE: Final = 3.0
"""Highest score of `systemd-analyze security`: 0 is for what can do nothing, 9.6 for a unit without bounds."""


def processes(target: Target) -> int:
    """User, groups, capabilities, NoNewPrivs, umask and open sockets of each process."""
    found = json.loads(target.vm.run(f"python3 {PLACE}/processes.py", as_user="root").stdout)
    same(set(found), {*USERS, "mcp"}, "processes")
    for name, user in USERS.items():
        seen = found[name]
        same(seen["users"], [user], f"{name} runs as")
        same(set(seen["groups"]), GROUPS[user], f"groups of {name}")
        same(
            seen["capabilities"],
            {"CapInh": 0, "CapPrm": 0, "CapEff": 0, "CapBnd": MCP_CAPABILITIES, "CapAmb": 0},
            name,
        )
        same((seen["no_new_privs"], seen["umask"]), (1, "0077"), f"NoNewPrivs and umask of {name}")
        same(seen["ports"], [25] if name == "smtps" else [], f"ports of {name}")
    same(found["mcp"]["users"], ["root"], "mcp runs as")
    same(
        (found["mcp"]["capabilities"]["CapEff"], found["mcp"]["no_new_privs"]),
        (MCP_CAPABILITIES, 1),
        "mcp",
    )
    return 6 * len(USERS)


def files(target: Target) -> int:
    """Each account tries every file and folder of the machine."""
    count = 0
    for user in USERS.values():
        found = json.loads(
            target.vm.run(f"python3 {PLACE}/reach.py %s", user, as_user="root", timeout=120).stdout
        )
        for way, allowed in (("reads", READS[user]), ("writes", WRITES[user])):
            more = [
                path
                for path in found[way]
                if not any(f"{path}/".startswith(f"{each}/") for each in allowed)
            ]
            same(more[:20], [], f"{user} {way} more than it needs")
        count += found["tried"]
    return count


def unit(target: Target) -> int:
    """The unit of systemd as it is installed."""
    done = target.vm.run("systemd-analyze security --no-pager meta1.service", check=False)
    score = re.search(r"Overall exposure level for meta1\.service: ([\d.]+)", done.stdout)
    hold(score is not None and float(score[1]) <= EXPOSURE, f"exposure: {score and score[0]}")
    return len(done.lines)


SPAWN = "spawn.py"
UNIT = "/etc/systemd/system/meta1.service"
# All of these imply NoNewPrivileges.
NO_SANDBOX = Command(f"sed -i -E '/^(Protect|Restrict|NoNew|Private|System|Lock)/d' {UNIT}")
NO_BOUNDS = (NO_SANDBOX, Command(f"sed -i '/^CapabilityBoundingSet/d' {UNIT}"))
PROOFS = (
    Proof(
        "What each process is",
        "user, groups, capabilities, NoNewPrivs, umask, listening ports, as /proc tells them",
        "an account each, no capability, no way to more, files for nobody else; only smtps has a port",
        "CWE-250, CWE-272",
        "/proc",
        processes,
        {
            "smar stays root": [
                Edit(
                    SPAWN,
                    "user=None if identity.groups is None else identity.uid,",
                    'user=None if recipe.module == "smar" else identity.uid,',
                )
            ],
            "NoNewPrivs is not set": [
                Edit(SPAWN, "_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)", "pass"),
                NO_SANDBOX,
            ],
            "groups of mcp are kept": [
                Edit(
                    SPAWN,
                    "extra_groups=identity.groups,",
                    "extra_groups=(*(identity.groups or ()), 8),",
                )
            ],
            "umask lets others read": [Edit(SPAWN, "umask=0o077", "umask=0o022")],
        },
    ),
    Proof(
        "What each account can reach",
        "each of the four accounts tries to read and to write every file and folder of the machine",
        "beside what is everybody's: its own part of the queue, and the key, the secrets or Cyrus' socket where its "
        "work needs it",
        "CWE-732",
        "access(2) as each account",
        files,
        {
            "the secrets of AUTH may be written": [Command("chmod 0660 /etc/sasldb2")],
            "the queue is open": [Command(f"chgrp meta1m {SPOOL}/ibdb; chmod 0770 {SPOOL}/ibdb")],
        },
    ),
    Proof(
        "The unit of systemd",
        "what the unit leaves open, by systemd's own count",
        f"exposure of at most {EXPOSURE}",
        "systemd.exec(5)",
        "systemd-analyze security",
        unit,
        {"a unit without bounds": NO_BOUNDS},
    ),
)

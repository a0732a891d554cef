"""kill -9 of each process under load: what was answered with 250 is in Cyrus' mailbox, however often one dies.

The short form kills each process a few times; META1_KILLS=100 is the full one. A message may arrive twice: the
process died between Cyrus' 250 and the note of it. It must never be lost.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from lab.host import Host
from meta1.mailbox import subjects
from meta1.release import configure, tutorial_conf

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]  # the first test has the machine made
AT_ONCE = ("smtps {", "mcp { min_restart_delay = 0; }\n\tsmtps {")
RETRY = ("user = meta1q;", "user = meta1q;\n\t\tmin_retry = 1; max_retry = 5;")


@pytest.mark.timeout(7200)  # the full form
@pytest.mark.parametrize("name", ["smtps", "smtpc", "qmgr", "smar", "mcp"])
def test_nothing_accepted_is_lost(vm: Host, here: Path, kills: int, name: str) -> None:
    """Every 250 in the ledger is a message in the mailbox."""
    configure(vm, tutorial_conf(AT_ONCE, RETRY))
    vm.run("mcp.sh restart", as_user="root")
    vm.put(here / "programs" / "kills.py", "/root/kills.py")
    done = vm.run("python3 /root/kills.py %s %s", name, kills, as_user="root", timeout=7000)
    told = json.loads(done.stdout)
    vm.wait_for("mailq | grep -q 'is empty'", timeout=300, as_user="root")
    arrived = Counter(s for s in subjects(vm, "user/alice") if s.startswith(f"kill-{name}-"))
    report(name, told, arrived)
    assert set(told["taken"]) - set(arrived) == set()
    assert len(told["seconds"]) == kills


def report(name: str, told: dict[str, Any], arrived: Counter[str]) -> None:
    """Print the figures."""
    taken, seconds = set(told["taken"]), sorted(told["seconds"])
    print(
        f"\n{len(seconds)} kills of {name}: {len(taken)} accepted, {len(taken - set(arrived))} lost,",
        end=" ",
    )
    print(
        f"{sum(arrived.values()) - len(arrived)} duplicates of {sum(n > 1 for n in arrived.values())} messages"
    )
    print(
        f"  arrived though no 250 was seen: {len(set(arrived) - taken)}; refusals {told['outcomes']}"
    )
    print(
        f"  mail taken again after {seconds[len(seconds) // 2]:.2f} s, at worst {seconds[-1]:.2f} s"
    )

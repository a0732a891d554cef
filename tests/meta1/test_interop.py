"""MeTA1 with programs of others, a few of them: curl, msmtp and smtplib send, Postfix is the server before and behind.

The full form is `lab bench interop`; this is the same with less. Postfix comes with STARTTLS, and MeTA1 as a client is
told to verify: what arrives there came inside TLS.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.bench.interop.clients import CLIENTS
from lab.bench.interop.peers import POSTFIX
from lab.bench.interop.reading import READERS
from lab.bench.interop.run import Extent, Part, compare, stop
from lab.bench.interop.verdict import failures
from lab.host import Host
from meta1.release import configure

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]  # the first test has the machine made
EXTENT = Extent(
    senders=[each for each in CLIENTS if each.name in ("curl", "msmtp", "smtplib")],
    servers=[POSTFIX],
    readers=[each for each in READERS if each.name in ("imaplib", "curl")],
    packages=[("curl",)],
    large=1_000_000,
    people=10,
)


@pytest.fixture(scope="module")
def parts(installed: Host) -> Iterator[dict[str, Part]]:
    """What was found; then all is as it was before."""
    world, found = compare(installed, EXTENT, lambda _: None)
    yield found
    stop(world, EXTENT.servers)
    installed.run("rm -f /etc/dnsmasq.d/interop.conf; systemctl restart dnsmasq", as_user="root")
    configure(installed)
    installed.run("mcp.sh stop; mcp.sh start", as_user="root", timeout=120)


@pytest.mark.parametrize("part", ["clients", "hand", "readers", "next", "doors", "before"])
def test_every_program_with_every_feature(parts: dict[str, Part], part: str) -> None:
    """All that must hold does: a message that arrives is as it was sent, octet by octet."""
    found = parts[part].found
    assert failures(found) == []
    # Not all can be "has no such feature".
    assert all(any(each.holds for each in verdicts.values()) for verdicts in found.values())

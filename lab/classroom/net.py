"""The network of the sandboxes: a namespace and a link for each trainee, and a packet filter of the class's own.

The hub has an address of its own on loopback, the same for all sandboxes. A sandbox can reach that address at
the hub's port and nothing else: no other address has a route, and the table of nftables lets nothing else
through. The host reaches the server in a sandbox at the sandbox's address.
"""

from __future__ import annotations

import ipaddress
import json
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from lab.classroom.marks import Marks
from lab.errors import LabError

FIRST, LAST = 128, 253
"""Second number of the networks 10.x.0.0/16 that a class looks for a free one among."""
SERVER_PORT = 8888
"""Of the server in a sandbox."""


@dataclass(frozen=True, slots=True)
class Link:
    """The ends of a trainee's link, a /30."""

    host: IPv4Address
    sandbox: IPv4Address

    @classmethod
    def of(cls, network: str, number: int) -> Link:
        """Raises `LabError` if the network has no room for that number."""
        net = ipaddress.ip_network(network)
        if not 0 < number < net.num_addresses // 4:
            raise LabError(
                f"network {network} has no room for trainee {number}", "name a larger network"
            )
        return cls(
            IPv4Address(int(net[0]) + 4 * number + 1), IPv4Address(int(net[0]) + 4 * number + 2)
        )


def hub_address(network: str) -> IPv4Address:
    """Where the hub listens for the sandboxes: the network's first address."""
    return IPv4Address(int(ipaddress.ip_network(network)[1]))


def free_network(key: str, used: Iterable[IPv4Network]) -> str:
    """A 10.x.0.0/16 that meets none of those in use; which one is tried first, the class's key says."""
    taken = list(used)
    count = LAST - FIRST + 1
    for step in range(count):
        net = IPv4Network(f"10.{FIRST + (int(key, 16) + step) % count}.0.0/16")
        if not any(net.overlaps(each) for each in taken):
            return str(net)
    raise LabError("this host uses all networks from 10.128.0.0 on", "lab class up --network NET")


def used_networks() -> list[IPv4Network]:
    """What this host has an address in, or a route to."""
    addresses = json.loads(_run("ip", "-json", "-4", "address"))
    routes = json.loads(_run("ip", "-json", "-4", "route", "show", "table", "all"))
    texts = [f"{a['local']}/{a['prefixlen']}" for link in addresses for a in link["addr_info"]]
    texts += [route["dst"] for route in routes if route["dst"][0].isdigit()]
    return [IPv4Network(text, strict=False) for text in texts]


def table(marks: Marks, hub: IPv4Address, port: int) -> str:
    """The packet filter: from the links only the hub, and nothing is passed on from or to them."""
    return f"""table inet {marks.table}
delete table inet {marks.table}
table inet {marks.table} {{
    chain input {{
        type filter hook input priority -10; policy accept;
        iifname "{marks.links}*" jump sandbox
    }}
    chain sandbox {{
        ct state established accept
        ip daddr {hub} tcp dport {port} accept
        reject with icmpx type admin-prohibited
    }}
    chain forward {{
        type filter hook forward priority -10; policy accept;
        iifname "{marks.links}*" drop
        oifname "{marks.links}*" drop
    }}
}}
"""


def link_commands(marks: Marks, network: str, space: Path, number: int) -> list[list[str]]:
    """How namespace and link of one trainee are made, from nothing; the namespace is kept by the file `space`."""
    outer, ends = marks.link(number), Link.of(network, number)
    inside = ["nsenter", f"--net={space}", "ip"]
    return [
        ["unshare", f"--net={space}", "true"],
        ["ip", "link", "add", outer, "type", "veth", "peer", "name", "eth0", "netns", str(space)],
        ["ip", "link", "set", outer, "addrgenmode", "none"],
        ["ip", "address", "add", f"{ends.host}/30", "dev", outer],
        ["ip", "link", "set", outer, "up"],
        [*inside, "link", "set", "eth0", "addrgenmode", "none"],
        [*inside, "link", "set", "lo", "up"],
        [*inside, "address", "add", f"{ends.sandbox}/30", "dev", "eth0"],
        [*inside, "link", "set", "eth0", "up"],
        [*inside, "route", "add", f"{hub_address(network)}/32", "via", str(ends.host)],
    ]


def lay_host(marks: Marks, network: str, port: int) -> None:
    """The hub's address and the packet filter; as good as new where they are there already."""
    hub = hub_address(network)
    _run("ip", "address", "replace", f"{hub}/32", "dev", "lo", "label", marks.address)
    _run("nft", "-f", "-", given=table(marks, hub, port))


def lay_link(marks: Marks, network: str, space: Path, number: int) -> None:
    """Namespace and link of a trainee, made anew."""
    remove_link(marks, space, number)
    space.parent.mkdir(mode=0o700, exist_ok=True)
    space.touch()
    for command in link_commands(marks, network, space, number):
        _run(*command)


def remove_link(marks: Marks, space: Path, number: int) -> None:
    """Both ends of the link and the namespace; absent is fine."""
    _run("ip", "link", "delete", marks.link(number), check=False)
    _forget(space)


def links(marks: Marks) -> list[str]:
    """The class's links that are there, by the names of their ends on the host."""
    found = json.loads(_run("ip", "-json", "link", "show") or "[]")
    return [each["ifname"] for each in found if each["ifname"].startswith(marks.links)]


def addresses(marks: Marks) -> list[str]:
    """The class's addresses on loopback, known by their label."""
    found = json.loads(_run("ip", "-json", "-4", "address", "show", "dev", "lo") or "[]")
    ours = [a for link in found for a in link["addr_info"] if a.get("label") == marks.address]
    return [f"{each['local']}/{each['prefixlen']}" for each in ours]


def remove_all(marks: Marks, spaces: Iterable[Path]) -> None:
    """All that the class has of the host's network, whatever is left of it."""
    for link in links(marks):
        _run("ip", "link", "delete", link, check=False)
    for space in spaces:
        _forget(space)
    for address in addresses(marks):
        _run("ip", "address", "delete", address, "dev", "lo", check=False)
    _run("nft", "delete", "table", "inet", marks.table, check=False)


def _forget(space: Path) -> None:
    """Let a namespace go; it ends with the last process in it."""
    while space.exists() and not run(["umount", str(space)]).returncode:
        pass  # a second `up` that was interrupted may have mounted it twice
    space.unlink(missing_ok=True)


def _run(*command: str, given: str | None = None, check: bool = True) -> str:
    done = run(command, given)
    if done.returncode and check:
        raise LabError(f"{' '.join(command)}: {done.stderr.strip()}", "lab class up, as root")
    return done.stdout


def run(command: Sequence[str], given: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program of the host; one that is missing raises `LabError` naming what installs it."""
    try:
        return subprocess.run(
            command, input=given, capture_output=True, text=True, check=False, timeout=60
        )
    except FileNotFoundError as error:
        raise LabError(f"{command[0]} is not installed", "make setup-class") from error

"""Other mail servers on the machine, each at an address and a domain of its own, port 25: how each is set up."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lab.bench.foreign import add_user
from lab.bench.interop.orders import CA, LOGIN, SERVER
from lab.bench.interop.world import LIMIT, TOP, World

NOWHERE = ("example.com", "example.org")
"""Domains of the recipients in the tests of others (suite.py)."""
SMALL = 100_000
"""Octets that the small doors of Postfix and Exim take."""


def _filled(name: str, **values: str) -> str:
    """A configuration file of `conf`, with a value for each @NAME@. Raises `KeyError` for one without."""
    text = (Path(__file__).parent / "conf" / name).read_text()
    return re.sub("@([A-Z_]+)@", lambda found: values[found[1]], text)


@dataclass(frozen=True, slots=True)
class Peer:
    """A server. All users of its domain but `nobody` have one mailbox in common: files below `mailbox`.

    `doors` are further host names with addresses, at which it answers otherwise.
    """

    name: str
    domain: str
    address: str
    packages: tuple[str, ...]
    version: str
    command: str
    users: tuple[str, ...]
    owner: str
    files: Callable[[Peer, World], Mapping[str, str]]
    folders: Sequence[tuple[str, str, str]] = ()
    doors: Mapping[str, str] = field(default_factory=dict)
    deliver: str = ""
    """Have it try at once all that waits."""

    @property
    def host(self) -> str:
        """Its name in DNS and in its certificate."""
        return f"mx.{self.domain}"

    @property
    def mailbox(self) -> str:
        """Where its mail lies."""
        return f"{TOP}/mail/{self.domain}"

    @property
    def unit(self) -> str:
        """Name of the service."""
        return f"interop-{self.domain.partition('.')[0]}"

    def configure(self, world: World) -> None:
        """Make its users, folders, certificate and files."""
        for user in self.users:
            add_user(world.vm, user)
        for path, owner, mode in (*self.folders, (self.mailbox, self.owner, "0755")):
            world.root("install -d -o %s -m %s %s", owner, mode, path)
        for path, text in self.files(self, world).items():
            world.vm.put(text, path)

    def start(self, world: World) -> None:
        """Start it as a service that is gone with the machine; wait until it greets."""
        self.stop(world)
        world.root(
            f"systemd-run --quiet --collect -p TimeoutStopSec=2 --unit {self.unit} {self.command}"
        )
        world.vm.wait_for("nc -z %s 25", self.address)

    def stop(self, world: World) -> None:
        """Stop it, if it runs."""
        world.root(f"systemctl stop {self.unit} 2> /dev/null || true")


def _postfix(peer: Peer, world: World) -> Mapping[str, str]:
    wrong = world.certificate("wrong.postfix.example", name="somebody-else.example")
    doors = {name.partition(".")[0].upper(): address for name, address in peer.doors.items()}
    secret = world.vm.get(LOGIN).decode()
    discarded = "".join(f"{domain} discard:\n" for domain in NOWHERE)
    return {
        "/etc/postfix/main.cf": _filled(
            "main.cf",
            HOST=peer.host,
            ADDRESS=peer.address,
            DOMAINS=", ".join((peer.domain, *peer.doors)),
            MAILBOX=peer.mailbox,
            TOP=TOP,
            UID=world.root("id -u postfix").strip(),
            GID=world.root("id -g postfix").strip(),
            OWN=world.certificate(peer.host),
            CA=CA,
        ),
        "/etc/postfix/master.cf": _filled(
            "master.cf",
            ADDRESS=peer.address,
            LIMIT=str(SMALL),
            SMALL_PAIR=world.certificate("small.postfix.example"),
            WRONG_PAIR=wrong,
            **doors,
        ),
        f"{TOP}/postfix/mailboxes": "!/^nobody@/ all/\n",
        f"{TOP}/postfix/transport": f"exim.example smtp:[{SERVER}]\n{discarded}",
        f"{TOP}/postfix/secrets": f"[{SERVER}] alice:{secret}\n",
    }


def _exim(peer: Peer, world: World) -> Mapping[str, str]:
    text = _filled(
        "exim4.conf",
        HOST=peer.host,
        DOMAIN=peer.domain,
        ADDRESS=peer.address,
        OWN=world.certificate(peer.host, owner=peer.owner),
        CA=CA,
        SERVER=SERVER,
        MAILBOX=peer.mailbox,
        OWNER=peer.owner,
        SECRET=world.vm.get(LOGIN).decode(),
    )
    return {"/etc/exim4/exim4.conf": text}


def _aiosmtpd(peer: Peer, world: World) -> Mapping[str, str]:
    world.certificate(peer.host, owner=peer.owner)
    return {}


POSTFIX = Peer(
    "Postfix", "postfix.example", "127.0.2.25", ("postfix", "libsasl2-modules"),
    "/usr/sbin/postconf -d -h mail_version", "/usr/lib/postfix/sbin/master -c /etc/postfix",
    ("postfix", "postdrop"), "postfix", _postfix,
    folders=(
        ("/var/spool/postfix", "root", "0755"), ("/var/lib/postfix", "postfix", "0700"),
        ("/var/spool/postfix/pid", "root", "0755"), ("/var/spool/postfix/public", "postfix", "0710"),
        ("/var/spool/postfix/maildrop", "postfix", "0730"),
        *((f"/var/spool/postfix/{name}", "postfix", "0700") for name in (
            "active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private",
            "saved", "trace")),
    ),
    doors={"small.postfix.example": "127.0.2.26", "wrong.postfix.example": "127.0.2.27",
           "clear.postfix.example": "127.0.2.28"},
    deliver="/usr/sbin/postqueue -f",
)  # fmt: skip
EXIM = Peer(
    "Exim", "exim.example", "127.0.2.35", ("exim4-daemon-heavy",),
    "/usr/sbin/exim4 -bV | head -1 | cut -d ' ' -f 3", "/usr/sbin/exim4 -bdf -q3s",
    ("Debian-exim",), "Debian-exim", _exim,
    folders=(("/var/spool/exim4", "Debian-exim", "0750"), ("/var/log/exim4", "Debian-exim", "0750")),
    deliver="/usr/sbin/exim4 -qff",
)  # fmt: skip
AIOSMTPD = Peer(
    "aiosmtpd", "aiosmtpd.example", "127.0.2.55", ("python3-aiosmtpd",),
    "python3 -c 'import aiosmtpd; print(aiosmtpd.__version__)'",
    f"python3 {TOP}/receive.py 127.0.2.55 {TOP}/tls/mx.aiosmtpd.example {TOP}/mail/aiosmtpd.example",
    (), "root", _aiosmtpd,
)  # fmt: skip
PEERS = (POSTFIX, EXIM, AIOSMTPD)
assert SMALL < LIMIT

"""Other mail servers on the machine, each at an address and a domain of its own, port 25: how each is set up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from lab.bench.foreign import add_user
from lab.bench.interop.orders import CA, LOGIN, SERVER
from lab.bench.interop.world import LIMIT, TOP, World

NOWHERE = ("example.com", "example.org")
"""Domains of the recipients in the tests of others (suite.py)."""
SMALL = 100_000
"""Octets that the small doors of Postfix and Exim take."""


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
    own, small, wrong = (world.certificate(host) for host in (peer.host, *list(peer.doors)[:2]))
    wrong = world.certificate("wrong.postfix.example", name="somebody-else.example")
    services = [
        ("127.0.2.25:smtp inet n - n - - smtpd", ""),
        (f"{peer.doors['small.postfix.example']}:smtp inet n - n - - smtpd",
         f"-o message_size_limit={SMALL} -o smtpd_tls_protocols=TLSv1.2"
         f" -o smtpd_tls_cert_file={small}/cert.pem -o smtpd_tls_key_file={small}/key.pem"),
        (f"{peer.doors['wrong.postfix.example']}:smtp inet n - n - - smtpd",
         f"-o smtpd_tls_cert_file={wrong}/cert.pem -o smtpd_tls_key_file={wrong}/key.pem"),
        (f"{peer.doors['clear.postfix.example']}:smtp inet n - n - - smtpd",
         "-o smtpd_tls_security_level=none -o smtpd_discard_ehlo_keywords=8bitmime,pipelining,size,dsn"),
        ("cleanup unix n - n - 0 cleanup", ""), ("qmgr unix n - n 5 1 qmgr", ""),
        ("tlsmgr unix - - n 1000? 1 tlsmgr", ""), ("rewrite unix - - n - - trivial-rewrite", ""),
        ("bounce unix - - n - 0 bounce", ""), ("defer unix - - n - 0 bounce", ""),
        ("trace unix - - n - 0 bounce", ""), ("smtp unix - - n - - smtp", ""),
        ("error unix - - n - - error", ""), ("retry unix - - n - - error", ""),
        ("discard unix - - n - - discard", ""), ("virtual unix - n n - - virtual", ""),
        ("flush unix n - n 1000? 0 flush", ""), ("proxymap unix - - n - - proxymap", ""),
        ("anvil unix - - n - 1 anvil", ""), ("scache unix - - n - 1 scache", ""),
        ("verify unix - - n - 1 verify", ""), ("showq unix n - n - - showq", ""),
    ]  # fmt: skip
    main = f"""
compatibility_level = 3.6
myhostname = {peer.host}
mydestination =
inet_interfaces = loopback-only
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtp_bind_address = {peer.address}
smtp_helo_name = {peer.host}
message_size_limit = 67108864
virtual_mailbox_limit = 0
mailbox_size_limit = 0
smtpd_recipient_limit = 2000
default_destination_recipient_limit = 1000
virtual_mailbox_domains = {", ".join((peer.domain, *peer.doors))}
virtual_mailbox_base = {peer.mailbox}
virtual_mailbox_maps = regexp:{TOP}/postfix/mailboxes
virtual_minimum_uid = 1
virtual_uid_maps = static:{world.root("id -u postfix").strip()}
virtual_gid_maps = static:{world.root("id -g postfix").strip()}
alias_maps =
local_recipient_maps =
transport_maps = texthash:{TOP}/postfix/transport
smtpd_tls_security_level = may
smtpd_tls_cert_file = {own}/cert.pem
smtpd_tls_key_file = {own}/key.pem
smtpd_tls_CAfile = {CA}
smtpd_tls_ask_ccert = yes
smtpd_tls_received_header = yes
smtpd_tls_loglevel = 1
smtp_tls_security_level = secure
smtp_tls_secure_cert_match = hostname
smtp_tls_CAfile = {CA}
smtp_tls_cert_file = {own}/cert.pem
smtp_tls_key_file = {own}/key.pem
smtp_tls_loglevel = 1
smtp_sasl_password_maps = texthash:{TOP}/postfix/secrets
smtp_sasl_auth_enable = yes
smtp_sasl_mechanism_filter = scram-sha-256
smtp_sasl_security_options = noplaintext
minimal_backoff_time = 3s
maximal_backoff_time = 3s
queue_run_delay = 3s
smtpd_error_sleep_time = 0
smtpd_peername_lookup = no
"""
    secret = world.vm.get(LOGIN).decode()
    return {
        "/etc/postfix/main.cf": main,
        "/etc/postfix/master.cf": "\n".join(" ".join(each) for each in services) + "\n",
        f"{TOP}/postfix/mailboxes": "!/^nobody@/ all/\n",
        f"{TOP}/postfix/transport": f"exim.example smtp:[{SERVER}]\n"
        + "".join(f"{domain} discard:\n" for domain in NOWHERE),
        f"{TOP}/postfix/secrets": f"[{SERVER}] alice:{secret}\n",
    }


def _exim(peer: Peer, world: World) -> Mapping[str, str]:
    own = world.certificate(peer.host, owner=peer.owner)
    secret = world.vm.get(LOGIN).decode()
    return {
        "/etc/exim4/exim4.conf": f"""
primary_hostname = {peer.host}
domainlist local_domains = {peer.domain}
local_interfaces = {peer.address}
tls_advertise_hosts = *
tls_certificate = {own}/cert.pem
tls_privatekey = {own}/key.pem
tls_verify_certificates = {CA}
tls_try_verify_hosts = *
dsn_advertise_hosts = *
message_size_limit = 64M
recipients_max = 2000
smtp_accept_max_per_connection = 0
rfc1413_hosts =
host_lookup =
acl_smtp_rcpt = recipient
acl_smtp_data = accept
syslog_facility = mail
log_file_path = syslog
retry_data_expire = 1d

begin acl
recipient:
  deny message = 5.1.1 no such user
       domains = +local_domains
       local_parts = nobody
  accept hosts = 127.0.0.0/8
  deny

begin routers
local:
  driver = accept
  domains = +local_domains
  transport = mailbox
through_meta1:
  driver = manualroute
  route_list = postfix.example {SERVER} byname
  transport = authenticated
out:
  driver = dnslookup
  transport = smtp

begin transports
mailbox:
  driver = appendfile
  directory = {peer.mailbox}
  maildir_format
  return_path_add
  user = {peer.owner}
smtp:
  driver = smtp
  interface = {peer.address}
  hosts_require_tls = *
  tls_verify_hosts = *
  tls_verify_certificates = {CA}
  tls_certificate = {own}/cert.pem
  tls_privatekey = {own}/key.pem
authenticated:
  driver = smtp
  interface = {peer.address}
  hosts_require_tls = *
  tls_verify_hosts = *
  tls_verify_certificates = {CA}
  hosts_require_auth = *

begin retry
* * F,1h,3s

begin authenticators
cram:
  driver = cram_md5
  public_name = CRAM-MD5
  client_name = alice
  client_secret = {secret}
""",
    }


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

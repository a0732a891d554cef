"""Chapter 15: a second domain, aliases, a smart host, limits, a renewed certificate, a backup."""

from lab import check
from lab.chapters import Check
from lab.chapters.stranger import reply_to
from lab.host import Host

CONF = "/etc/meta1"
CERTIFICATE = f"{CONF}/CA/newcert.pem"
BACKUP = "/root/meta1.tar.gz"
SAVED = ("etc/meta1/meta1.conf", "etc/meta1/CA/newreq.pem", "var/spool/meta1/cdb/")
TAKEN, UNKNOWN = "250 2.1.5 Recipient ok", "550 5.1.1 No such user here"


def _second_domain(vm: Host) -> None:
    check.says(vm, "its MX record", "dig +short second.example MX", "10 mail.lab.example.")
    check.equal("bob@second.example", reply_to(vm, "bob@second.example"), TAKEN)
    check.equal("nobody@second.example", reply_to(vm, "nobody@second.example"), UNKNOWN)


def _aliases(vm: Host) -> None:
    """The map has what it must, and the server asks it."""
    query = f"createmap -q postmaster {CONF}/aliases.db"
    check.says(vm, "postmaster is a person", query, "alice")
    for name in ("abuse@lab.example", "abuse@second.example", "staff@lab.example"):
        check.equal(name, reply_to(vm, name), TAKEN)


def _way_to_partner(vm: Host) -> None:
    query = f"createmap -q partner.example {CONF}/mailertable.db"
    check.says(vm, "the way to partner.example", query, "[127.0.2.1]:2525")
    denied = reply_to(vm, "carol@partner.example")
    check.equal("a way is no permission", denied, "550 5.7.1 Relaying denied")


def _limits(vm: Host) -> None:
    told = "swaks --server localhost --quit-after EHLO | grep --only-matching 'SIZE .*'"
    check.says(vm, "the largest message, as EHLO tells it", told, "SIZE 1048576")
    shown = "metaconf | grep --only-matching 'max_sessions_per_client = [0-9]*'"
    check.says(vm, "sessions of one client", shown, "max_sessions_per_client = 10")


def _seconds(vm: Host, certificate: str) -> int:
    """When a certificate began, as seconds since 1970."""
    command = 'date +%%s -d "$(openssl x509 -noout -startdate -in %s | cut -d= -f2)"'
    return int(vm.run(command, certificate).stdout)


def _renewed(vm: Host) -> None:
    """The server's is younger than Alice's, which was made after it, and it is the one shown."""
    younger = _seconds(vm, CERTIFICATE) > _seconds(vm, "/home/lab/alice/cert.pem")
    check.true("the certificate is a new one", younger)
    connect = (
        "openssl s_client -starttls smtp -verify_return_error -verify_hostname mail.lab.example "
        "-CAfile %s -connect mail.lab.example:25 2> /dev/null < /dev/null"
    )
    shown = vm.run(f"{connect} | openssl x509 -noout -serial", f"{CONF}/CA/cacert.pem", check=False)
    serial = vm.run("openssl x509 -noout -serial -in %s", CERTIFICATE)
    check.equal("the server shows it", shown.stdout, serial.stdout)


def _backup(vm: Host) -> None:
    check.file_is(vm, BACKUP, owner="root", mode="0600")
    found = vm.run("tar --list --file %s", BACKUP, as_user="root").lines
    check.true("configuration, key and queue are in it", set(SAVED) <= set(found))


def _sales(vm: Host) -> None:
    check.equal("sales@second.example", reply_to(vm, "sales@second.example"), TAKEN)
    check.equal("sales@lab.example", reply_to(vm, "sales@lab.example"), UNKNOWN)
    query = f"createmap -q sales@second.example {CONF}/aliases.db"
    check.true("it is Bob", vm.run(query, check=False).stdout.startswith("bob"))


CHECKS = (
    Check(
        "mail for second.example is taken, for those who live there",
        _second_domain,
        "an MX record in /etc/dnsmasq.d, local_domains in section smar, mcp.sh reload",
    ),
    Check(
        "postmaster and abuse lead to a person",
        _aliases,
        "write /etc/meta1/aliases and make aliases.db from it by createmap hash",
    ),
    Check(
        "partner.example is reached by the mailer table, and nobody may relay there for that",
        _way_to_partner,
        "mailertable.db: the domain, then [address]:port",
    ),
    Check(
        "limits that fit a small machine",
        _limits,
        "max_message_size, max_sessions_per_client, max_recipients in section smtps; reload",
    ),
    Check(
        "the server shows a renewed certificate",
        _renewed,
        "sign ca/mailreq.pem again, install it as newcert.pem, systemctl reload meta1",
    ),
    Check(
        "a backup of configuration and queue that only root can read",
        _backup,
        "umask 077, stop, tar etc/meta1 etc/sasldb2 var/spool/meta1 from /, start",
    ),
)

EXERCISE = ("mail for sales@second.example goes to Bob, and only there", _sales)

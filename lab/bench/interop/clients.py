"""Programs that send mail: for each the command that carries out an order, and what it cannot do. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from lab.bench.interop.orders import CA, CERTIFICATE, KEY, LOGIN, Order
from lab.bench.interop.world import TOP
from lab.script import fill

PACKAGES = (
    "curl",
    "libio-socket-ssl-perl",
    "libphp-phpmailer",
    "nodejs",
    "node-nodemailer",
    "php-cli",
    "python3-aiosmtplib",
)
"""Debian packages of those programs that the machine's recipe does not have."""
PASSWORD = f'"$(cat {LOGIN})"'


@dataclass(frozen=True, slots=True)
class Client:
    """A program; `command` is run in a shell by the user lab. `cannot` has, for features it lacks, why."""

    name: str
    version: str
    command: Callable[[Order], str]
    cannot: Mapping[str, str] = field(default_factory=dict)


def _swaks(order: Order) -> str:
    words = [
        fill("swaks --server %s --port %s --ehlo client.example", (order.server, order.port)),
        fill("--from %s --to %s", (order.sender, ",".join(order.to))),
        "--data - --no-data-fixup --pipeline --timeout 60 --suppress-data --hide-informational",
    ]
    if order.tls:
        version = f"tlsv1_{order.tls[2:]}"
        words.append(f"--tls --tls-verify --tls-ca-path {CA} --tls-protocol {version}")
    if order.certificate:
        words.append(f"--tls-cert {CERTIFICATE} --tls-key {KEY}")
    if order.auth:
        words.append(f"--auth {order.auth} --auth-user alice --auth-password {PASSWORD}")
    # Left to itself it adds an empty line to each message, and takes a dot at its end away.
    stuffed = fill(r"{ sed 's/^\./../' %s; printf .; } | ", (order.mail,))
    return stuffed + " ".join(words)


def _msmtp_options(order: Order) -> list[str]:
    words = [fill("--host=%s --port=%s --domain=client.example", (order.server, order.port))]
    words.append("--add-missing-from-header=off --add-missing-date-header=off --timeout=60")
    if order.tls:
        priorities = f"NORMAL:-VERS-ALL:+VERS-TLS{order.tls}"
        words.append(f"--tls=on --tls-trust-file={CA} --tls-priorities={priorities}")
    if order.certificate:
        words.append(f"--tls-cert-file={CERTIFICATE} --tls-key-file={KEY}")
    if order.auth:
        words.append(f"--auth={order.auth.lower()} --user=alice --passwordeval='cat {LOGIN}'")
    if order.envid:
        words.append("--dsn-notify=success,failure --dsn-return=hdrs")
    return words


def _msmtp(order: Order) -> str:
    words = ["msmtp", *_msmtp_options(order), fill("--from=%s --", (order.sender,))]
    return " ".join([*words, *(fill("%s", (to,)) for to in order.to), fill("< %s", (order.mail,))])


def _sendmail(order: Order) -> str:
    """The name under which programs of a system send mail: options of sendmail only, the rest from a file."""
    lines = [
        "account default",
        f"host {order.server}",
        f"port {order.port}",
        "domain client.example",
    ]
    if order.tls:
        lines += [
            "tls on",
            f"tls_trust_file {CA}",
            f"tls_priorities NORMAL:-VERS-ALL:+VERS-TLS{order.tls}",
        ]
    if order.certificate:
        lines += [f"tls_cert_file {CERTIFICATE}", f"tls_key_file {KEY}"]
    if order.auth:
        lines += [f"auth {order.auth.lower()}", "user alice", f"passwordeval cat {LOGIN}"]
    conf = "\\n".join(lines)
    dsn = "-N success,failure -R hdrs" if order.envid else ""
    start = f"umask 077; printf '{conf}\\n' > ~/.msmtprc-interop; /usr/sbin/sendmail -C ~/.msmtprc-interop -i {dsn}"
    to = " ".join(fill("%s", (each,)) for each in order.to)
    return f"{start} " + fill("-f %s -- ", (order.sender,)) + to + fill(" < %s", (order.mail,))


def _curl(order: Order) -> str:
    words = [
        fill(
            "curl --silent --show-error --max-time 120 smtp://%s:%s/client.example",
            (order.server, order.port),
        )
    ]
    words.append(fill("--mail-from %s --upload-file %s", (order.sender, order.mail)))
    words += [fill("--mail-rcpt %s", (to,)) for to in order.to]
    if order.tls:
        words.append(f"--ssl-reqd --cacert {CA} --tlsv{order.tls} --tls-max {order.tls}")
    if order.certificate:
        words.append(f"--cert {CERTIFICATE} --key {KEY}")
    if order.auth:
        words.append(f'--user "alice:$(cat {LOGIN})" --login-options AUTH={order.auth}')
    return " ".join(words)


def _scripted(program: str) -> Callable[[Order], str]:
    """A program of ours around a library of others."""
    return lambda order: f"{fill('echo %s', (order.as_json(),))} | {program}"


NO_SCRAM = "has no SCRAM"
CLIENTS = (
    Client("swaks", "swaks --version | head -1", _swaks,
           {"SCRAM-SHA-256": NO_SCRAM, "DSN": "has no option for it"}),
    Client("msmtp", "msmtp --version | head -1", _msmtp),
    Client("sendmail (msmtp-mta)", "msmtp --version | head -1", _sendmail),
    Client("curl", "curl --version | head -1 | cut -d ' ' -f 1,2", _curl,
           {"SCRAM-SHA-256": "Debian's has none", "DSN": "has no option for it"}),
    Client("smtplib", "python3 --version", _scripted(f"python3 {TOP}/send_smtplib.py"),
           {"SCRAM-SHA-256": NO_SCRAM}),
    Client("aiosmtplib", "python3 -c 'import aiosmtplib as a; print(a.__version__)'",
           _scripted(f"python3 {TOP}/send_aiosmtplib.py"), {"SCRAM-SHA-256": NO_SCRAM}),
    Client("Nodemailer", "node -p 'require(\"/usr/share/nodejs/nodemailer/package.json\").version'",
           _scripted(f"node {TOP}/send.js"), {"SCRAM-SHA-256": NO_SCRAM}),
    Client("Net::SMTP", "perl -MNet::SMTP -e 'print $Net::SMTP::VERSION'",
           _scripted(f"perl {TOP}/send.pl"), {"SCRAM-SHA-256": "Authen::SASL has none"}),
    Client("PHPMailer", "grep -oP \"VERSION = '\\K[^']*\" /usr/share/php/libphp-phpmailer/src/SMTP.php",
           _scripted(f"php8.2 {TOP}/send.php"), {"SCRAM-SHA-256": NO_SCRAM, "TLS 1.2": "no choice of version"}),
)  # fmt: skip

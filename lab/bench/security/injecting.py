"""Names, addresses and replies of strangers cannot write header fields, log lines, reports or commands of their own."""

from __future__ import annotations

import email
import re
from email.message import Message

from lab.bench.edits import Edit
from lab.bench.security.liars import STRANGER
from lab.bench.security.proof import Proof, hold, same
from lab.bench.security.steps import REPLY, Step, talked
from lab.bench.security.target import Target

MAIL = ("EHLO m.example", "MAIL FROM:<m@elsewhere.example>", "RCPT TO:<alice@lab.example>", "DATA")
LINE = re.compile(
    r"[-\d]{10}T\S+ \S+ (mcp|smtps|smtpc|qmgr|smar)\[\d+\]:( [!-<>-~]+)+"
    r"( [a-z_]+=([!#-<>-\[\]-~]+|\"([ !#-\[\]-~]|\\x[0-9a-f]{2})*\"))*"
)
"""A line as the reference of the log describes it: words, then fields whose values are plain or quoted."""
MAX_LINE = 4000
OF_OURS = {"return-path", "received", "subject", "from", "to", "x-sieve", "x-cyrus-session-id"}


def _log_is_sound(target: Target) -> int:
    """Every line of the log is one of ours, with fields of ours; how many there are."""
    lines = target.log()
    for line in lines:
        hold(LINE.fullmatch(line) and len(line) <= MAX_LINE, f"no line of ours: {line[:300]!r}")
        plain = re.sub(r'"[^"]*"', '""', line)
        hold("=6.6.6.6" not in plain, f"a forged field: {line[:300]!r}")
    return len(lines)


def _header_is_sound(text: str) -> Message:
    """A delivered message has our fields and the sender's, and none that was injected."""
    message = email.message_from_string(text)
    names = {name.lower() for name in message}
    hold(not any("injected" in name for name in names), f"fields {names}")
    return message


ENVELOPES = (
    ("a)(by;evil", "<m@elsewhere.example>"),
    ("x]by[6.6.6.6", "<m@elsewhere.example>"),
    ('x"client=6.6.6.6"', '<"x client=6.6.6.6 outcome=delivered"@elsewhere.example>'),
    ("x\\x0d\\x0aX-Injected:yes", r'<"a\\\" client=6.6.6.6 b=\""@elsewhere.example>'),
    ("for<ceo@lab.example>;", '<"> SIZE=1 X-Injected: yes <"@elsewhere.example>'),
    ("(((((((((((((((", "<m=client=6.6.6.6@elsewhere.example>"),
    ("y" * 250, f"<{'z' * 64}@elsewhere.example>"),
)
RECEIVED = re.compile(
    r"from ([^\s()<>;\\\"]+) \((stranger\.liar\.example )?\[127\.0\.0\.9\]\)\s+"
    r"by mail\.lab\.example \([^()]+\) with \S+\s+"
    r"id S[0-9A-F]+ for <alice@lab\.example>;\s+[^()]+( [-+]\d{4})?"
)


def envelope(target: Target) -> int:
    """EHLO names and addresses with quotes, brackets, blanks and words of a log."""
    sessions: list[list[Step]] = []
    for number, (hello, sender) in enumerate(ENVELOPES):
        begin = (f"EHLO {hello}", f"MAIL FROM:{sender}", "RCPT TO:<alice@lab.example>", "DATA")
        text = f"Subject: {target.token} {number}\r\n\r\nHello.\r\n.\r\n"
        sessions.append([REPLY, *talked(*begin), ("say", text), REPLY])
    taken = [said for said in target.talk(*sessions) if said[-1].startswith("250")]
    hold(len(taken) > len(ENVELOPES) // 2, f"hardly anything was taken: {taken}")
    for text in target.mail(len(taken)):
        received = _header_is_sound(text).get_all("Received") or []
        ours = [each for each in received if "mail.lab.example (MeTA1" in each]
        hold(len(ours) == 1 and RECEIVED.fullmatch(ours[0].strip()), f"Received: {ours}")
    _log_is_sound(target)
    return len(sessions)


XTEXT = (
    " RET=HDRS ENVID=a+0D+0AX-Injected:+20yes", " ENVID=a+0AStatus:+202.0.0", " ENVID=a+00b", " ENVID=a+C3+A4",
    " ENVID=a+0D", " ENVID=" + "x" * 2000,
)  # fmt: skip
ORCPT = (
    " ORCPT=rfc822;a+0D+0AAction:+20delivered", " ORCPT=rfc822;a+0A@b", " NOTIFY=FAILURE ORCPT=rf+63;a",
    " ORCPT=rfc822;a+00", " ORCPT=rfc822;" + "y" * 2000, " ORCPT=a+0D;b",
)  # fmt: skip


def dsn_parameters(target: Target) -> int:
    """Line ends written as xtext in ENVID and ORCPT, for a report that is sure to come."""
    sessions: list[list[Step]] = []
    for mail, rcpt in [*((each, "") for each in XTEXT), *(("", each) for each in ORCPT)]:
        text = f"Subject: {target.token}\r\n\r\nHello.\r\n.\r\n"
        begin = (
            "EHLO m.example", f"MAIL FROM:<alice@lab.example>{mail}", f"RCPT TO:<x@words.liar.example>{rcpt}", "DATA"
        )  # fmt: skip
        sessions.append([REPLY, *talked(*begin), ("say", text), ("rest", 1.5)])
    said = target.talk(*sessions)
    for text in target.mail():
        _report_is_sound(text)
    for each in said:
        hold(not each[-1].startswith("250"), f"taken: {each}")
        hold(any(answer.startswith("501") for answer in each), each)
    return len(sessions)


FIELDS = {
    "reporting-mta", "x-meta1-transaction", "arrival-date", "original-recipient", "final-recipient", "action", "status",
    "remote-mta", "diagnostic-code", "last-attempt-date", "original-envelope-id", "will-retry-until",
}  # fmt: skip


def _report_is_sound(text: str) -> None:
    """A report has its three parts, each with fields of ours, and only printable ASCII in those."""
    message = _header_is_sound(text)
    parts = message.get_payload()
    hold(isinstance(parts, list) and len(parts) == 3, f"parts of the report: {text!r}")
    assert isinstance(parts, list)
    blocks = parts[1].get_payload() if isinstance(parts[1], Message) else []
    fields = [item for block in blocks if isinstance(block, Message) for item in block.items()]
    more = {name.lower() for name, _ in fields} - FIELDS
    hold(fields and not more, f"fields of the report: {more}")
    bad = [value for _, value in fields if not re.fullmatch(r"[ -~]*", value.replace("\n\t", ""))]
    same(bad, [], "fields that are not plain")
    actions = [value for name, value in fields if name == "Action"]
    same(set(actions), {"failed"}, "actions")


PEERS = ("words", "long", "endless", "garbage")


def replies(target: Target) -> int:
    """Servers refuse with control characters, lines of a report, two million letters, lines without end."""
    said = target.send(*(f"{target.token}@{name}.liar.example" for name in PEERS))
    hold(said.startswith("250"), f"not taken: {said}")
    target.wait_for_log(r"words\.liar\.example.*5\.1\.1")
    reports = []
    for _ in range(50):
        reports = [text for text in target.mail(1, seconds=2) if "multipart/report" in text]
        if reports:
            break
    hold(reports, "no report has come")
    for text in reports:
        _report_is_sound(text)
    for name in PEERS:
        hold(any(target.token in line for line in target.heard(name)), f"{name} was not asked")
    target.wait_for_log(r"endless\.liar\.example.*code=")
    target.wait_for_log(r"long\.liar\.example.*code=")
    _log_is_sound(target)
    target.forget_queue()
    return len(PEERS)


def certificate_names(target: Target) -> int:
    """A certificate's subject with line ends, quotes and fields of a log."""
    subject = '/O=x\r\nX-Injected: yes\r\nclient=6.6.6.6/CN=a" client=6.6.6.6 b="\x1b[2J\x85'
    target.vm.run(MAKE, input=subject)
    pair = ["/tmp/proof.pem", "/tmp/proof.key"]
    steps: list[Step] = [
        REPLY,
        ("say", "EHLO m.example\r\n"),
        REPLY,
        ("say", "STARTTLS\r\n"),
        REPLY,
        ("tls", *pair),
    ]
    steps += talked(*MAIL)
    text = f"Subject: {target.token}\r\n\r\nHello.\r\n.\r\n"
    said = target.talk([*steps, ("say", text), REPLY])[0]
    target.vm.run("rm -f /tmp/proof.*")
    hold(said[-1].startswith("250"), said)
    for each in target.mail(1):
        _header_is_sound(each)
    lines = target.log()
    subjects = [
        found[1] for line in lines if (found := re.search(r"(?:cert_)?subject=(\S+)", line))
    ]
    hold(subjects, "the log does not name the subject")
    hold(
        all(
            re.fullmatch(r"\"?(/[A-Za-z0-9.]+=[!#-'*,-.0-;=?-~+]+)+\"?", each) for each in subjects
        ),
        subjects,
    )
    _log_is_sound(target)
    return 1


MAKE = r"""python3 -c '
import sys, datetime
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization as form
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
parts = sys.stdin.buffer.read().decode()[3:].split("/CN=")
name = x509.Name([x509.NameAttribute(o, t) for o, t in zip((NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME), parts)])
key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.utcnow()
made = x509.CertificateBuilder(name, name, key.public_key(), 7, now, now + datetime.timedelta(2))
made = made.sign(key, hashes.SHA256())
plain = form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption()
open("/tmp/proof.key", "wb").write(key.private_bytes(*plain))
open("/tmp/proof.pem", "wb").write(made.public_bytes(form.Encoding.PEM))
'"""


def dns_names(target: Target) -> int:
    """A client whose address has a name with line ends and quotes, which even leads back to it."""
    steps = [REPLY, *talked(*MAIL)]
    text = f"Subject: {target.token}\r\n\r\nHello.\r\n.\r\n"
    said = target.talk([*steps, ("say", text), REPLY], source=STRANGER)[0]
    hold(said[-1].startswith("250"), said)
    for each in target.mail(1):
        received = " ".join(_header_is_sound(each).get_all("Received") or [])
        hold(f"({'['}{STRANGER}])" in received, f"a name in Received: {received}")
    lines = [line for line in target.log() if f"client={STRANGER}" in line]
    hold(lines and not any("evil" in line for line in lines), f"the name is in the log: {lines}")
    _log_is_sound(target)
    return 1


LOG_IS_RAW = (
    Edit(
        "maillog.py",
        "if text and not _UNSAFE.search(text):\n        return text",
        "if text:\n        return text",
    ),
)
RECEIVED_IS_RAW = (
    Edit("smtp/received.py", 'return _UNSAFE.sub("?", text[:MAX_WORD])', "return text[:MAX_WORD]"),
)
XTEXT_IS_RAW = (
    Edit(
        "smtp/parameters.py",
        "return plain if plain.isascii() and plain.isprintable() else None",
        "return plain",
    ),
)
REPLIES_ARE_RAW = (
    Edit("smtp/reply_reader.py", '_UNPRINTABLE.sub("?", text)))', "text))"),
    Edit(
        "queue/bounce.py",
        'return "".join(char if " " <= char <= "~" else "?" for char in line)[:MAX_DIAGNOSTIC]',
        "return line[:MAX_DIAGNOSTIC]",
    ),
)
NAMES_ARE_RAW = (
    Edit(
        "certificate.py",
        "    return _UNSAFE.sub(lambda found:",
        "    return value or _UNSAFE.sub(lambda found:",
    ),
)
ANY_NAME_IS_A_HOST = (
    Edit(
        "mx.py",
        '    if not _is_host_name(name):\n        return "FORGED"',
        '    if False:\n        return ""',
    ),
)

PROOFS = (
    Proof(
        "Header and log injection by the envelope",
        "EHLO names and addresses with quotes, brackets, blanks and words of a log",
        "one Received field of our form, one log line of our form for each fact",
        "CVE-2020-7247 (OpenSMTPD), RFC 5321 section 4.4",
        "own client",
        envelope,
        {
            "values are not quoted in the log": LOG_IS_RAW,
            "words of Received are not cleaned": RECEIVED_IS_RAW,
        },
    ),
    Proof(
        "Report injection by DSN parameters",
        "line ends, NUL and 8-bit letters as xtext in ENVID and ORCPT, and values of 2000 letters",
        "501",
        "RFC 3461 section 4",
        "own client",
        dsn_parameters,
        {"xtext may hold anything": XTEXT_IS_RAW},
    ),
    Proof(
        "Report and log injection by a peer's replies",
        "refusals with CR, NUL, terminal codes, MIME boundaries; a line of two million letters; 100,000 lines",
        "a report of three parts with our fields; log lines of our form; what cannot be read is tried again later",
        "CVE-2020-8794 (OpenSMTPD)",
        "lying server",
        replies,
        {"replies are kept as they are": REPLIES_ARE_RAW},
    ),
    Proof(
        "Log injection by a certificate",
        "a subject with line ends, quotes, terminal codes and fields of a log",
        "the name is encoded",
        "RFC 5280 section 4.1.2.6",
        "own client",
        certificate_names,
        {"names are not encoded": NAMES_ARE_RAW},
    ),
    Proof(
        "Injection by names of DNS",
        "a PTR record with line ends, quotes and fields of a log, with an address record that leads back",
        "the client has no name",
        "RFC 1123 section 2.1",
        "lying name server",
        dns_names,
        {"any name is a host's": ANY_NAME_IS_A_HOST},
    ),
)

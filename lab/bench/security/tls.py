"""TLS as two scanners see it: versions, ciphers, and the attacks that have a name."""

from __future__ import annotations

import json
import re

from lab.bench.edits import Edit
from lab.bench.security.proof import Proof, hold, same
from lab.bench.security.target import Target

VERSIONS = {
    "SSLv2": "disabled",
    "SSLv3": "disabled",
    "TLSv1.0": "disabled",
    "TLSv1.1": "disabled",
    "TLSv1.2": "enabled",
    "TLSv1.3": "enabled",
}
STRONG = re.compile(
    r"TLS_(AES|CHACHA20)\S+|ECDHE-(ECDSA|RSA)-(AES\d+-GCM-SHA\d+|CHACHA20-POLY1305)"
)
BAD = {"LOW", "MEDIUM", "HIGH", "CRITICAL", "FATAL"}
OF_THE_LAB = {
    # The authority of the lab is not a public one, and its certificates have no place to ask about revocation.
    "cert_chain_of_trust", "cert_trust", "cert_revocation", "cert_crlDistributionPoints", "cert_ocspURL",
    "OCSP_stapling",
    "cert_mustStapleExtension", "cert_expirationStatus", "cert_validityPeriod", "cert_extlifeSpan", "DNS_CAArecord",
    "certificate_transparency", "cert_caIssuers", "cert_notAfter", "cert_ocspRevoked", "cert_keyUsage",
}  # fmt: skip


def by_sslscan(target: Target) -> int:
    """Every version and every cipher."""
    done = target.vm.run("sslscan --no-colour --ipv4 --starttls-smtp 127.0.0.1:25", timeout=120)
    found = dict(re.findall(r"^((?:SSL|TLS)v\S+) +(enabled|disabled)", done.stdout, re.MULTILINE))
    same(found, VERSIONS, "versions")
    ciphers = re.findall(
        r"^(?:Preferred|Accepted) +\S+ +\d+ bits +(\S+)", done.stdout, re.MULTILINE
    )
    hold(ciphers, f"no cipher at all: {done.stdout}")
    same([each for each in ciphers if not STRONG.fullmatch(each)], [], "weak ciphers")
    hold("Session renegotiation not supported" in done.stdout, "renegotiation")
    hold(" vulnerable to heartbleed" not in done.stdout.replace("not vulnerable", ""), done.stdout)
    return len(found) + len(ciphers)


def by_testssl(target: Target) -> int:
    """Protocols and ciphers; in the full form forward secrecy and all vulnerabilities that testssl.sh knows, too."""
    rows, bad = _scan(target)
    same(sorted(bad), [], "findings")
    wanted = {"TLS1_3", "SSLv3"} | ({"heartbleed", "LUCKY13", "BEAST"} if target.is_full else set())
    seen = {row["id"] for row in rows}
    hold(wanted <= seen, f"not tested: {sorted(wanted - seen)}")
    return len(rows)


def _scan(target: Target) -> tuple[list[dict[str, str]], set[str]]:
    """What testssl.sh has looked at, and its findings."""
    scan = "-p -s -f -U" if target.is_full else "-p -s"
    target.vm.run(
        "rm -f /tmp/proof-tls.json; testssl --quiet --color 0 --warnings off --openssl-timeout 10 "
        f"--jsonfile /tmp/proof-tls.json -t smtp {scan} 127.0.0.1:25",
        timeout=300,
        check=False,
    )
    rows = json.loads(target.vm.get("/tmp/proof-tls.json"))
    bad = {row["id"]: row for row in rows if row["severity"] in BAD and row["id"] not in OF_THE_LAB}
    return rows, {f"{name}: {row['finding']}" for name, row in bad.items()}


OLD_VERSIONS = (
    Edit(
        "tls.py",
        "context.minimum_version = _VERSIONS[files.min_version]",
        'context.minimum_version = ssl.TLSVersion.TLSv1\n    context.set_ciphers("ALL:@SECLEVEL=0")',
    ),
    Edit("tls.py", "if files.ciphers:\n", "if False:\n"),
)
WEAK_CIPHERS = (
    Edit("tls.py", "context.set_ciphers(files.ciphers)", 'context.set_ciphers("ALL:@SECLEVEL=0")'),
)

PROOFS = (
    Proof(
        "TLS, by sslscan",
        "every version and every cipher",
        "TLS 1.2 and 1.3 only; only ciphers with forward secrecy and authentication (AEAD); no renegotiation",
        "RFC 8996, RFC 9325",
        "sslscan",
        by_sslscan,
        {"TLS 1.0 is spoken": OLD_VERSIONS, "any cipher will do": WEAK_CIPHERS},
    ),
    Proof(
        "TLS, by testssl.sh",
        "versions, ciphers, forward secrecy, and the attacks it knows: Heartbleed, CCS, Ticketbleed, ROBOT, CRIME, "
        "POODLE, SWEET32, FREAK, DROWN, LOGJAM, BEAST, LUCKY13, RC4",
        "no finding",
        "RFC 9325",
        "testssl.sh",
        by_testssl,
        {"any cipher will do": WEAK_CIPHERS},
    ),
)

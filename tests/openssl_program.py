"""The openssl program, and what the tests of certificates do with it."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.x509.name import _ASN1Type

from lab import pki


def openssl(*arguments: str | Path, data: bytes = b"", ok: bool = True) -> str:
    """Run openssl and give what it said; ``ok`` says which end is expected."""
    run = subprocess.run(["openssl", *map(str, arguments)], input=data, capture_output=True)
    said = run.stdout.decode() + run.stderr.decode()
    assert (run.returncode == 0) is ok, said
    return said


def name(
    *rdns: Sequence[tuple[x509.ObjectIdentifier, str] | tuple[x509.ObjectIdentifier, str, int]],
) -> x509.Name:
    """Make a name of RDNs; a third item forces the ASN.1 type."""
    return x509.Name(
        x509.RelativeDistinguishedName(
            x509.NameAttribute(oid, value, _ASN1Type(*kind) if kind else None)
            for oid, value, *kind in rdn
        )
        for rdn in rdns
    )


P256 = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")


def request(
    folder: Path,
    *arguments: str,
    subject: str = "/O=Ours/CN=mail.lab.example",
    key: Sequence[str] = P256,
) -> bytes:
    """Have openssl make a key and a signing request, as on the machine."""
    files = ("-nodes", "-keyout", folder / "newkey.pem", "-out", folder / "newreq.csr")
    openssl("req", "-new", *key, *files, "-utf8", "-subj", subject, *arguments)
    return (folder / "newreq.csr").read_bytes()


class Verifier:
    """An authority's files in a folder, and ``openssl verify`` with them."""

    def __init__(self, folder: Path, authority: pki.Authority) -> None:
        self.folder = folder
        self.ca_file = folder / "cacert.pem"
        self.ca_file.write_bytes(authority.cert_pem)

    def __call__(self, cert: x509.Certificate, *options: str | Path, ok: bool = True) -> str:
        leaf = self.folder / "leaf.pem"
        leaf.write_bytes(pki.pem(cert))
        return openssl("verify", "-x509_strict", "-CAfile", self.ca_file, *options, leaf, ok=ok)

"""Certificate and key of the proxy: made by an authority of the class's own, or brought along."""

from __future__ import annotations

import os
import ssl
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from lab.classroom import place
from lab.errors import LabError
from lab.pki import Authority

DAYS = 90


def certificate_file() -> Path:
    """Certificate of the proxy, with its chain."""
    return place.tls() / "certificate.pem"


def key_file() -> Path:
    """Its key, mode 0600."""
    return place.tls() / "key.pem"


def make(names: Sequence[str]) -> None:
    """Have a certificate for those names and addresses; one that is there and good for them stays."""
    if certificate_file().exists() and set(names) <= set(_names()):
        return
    authority = Authority.create("MeTA1 class", days=DAYS)
    issued = authority.issue_server(list(names), uses=("server",), days=DAYS)
    _write(issued.cert_pem + authority.cert_pem, issued.key_pem)
    # To be trusted by browsers it may be given to the trainees; its key is not kept.
    (place.tls() / "authority.pem").write_bytes(authority.cert_pem)


def bring(certificate: Path, key: Path) -> None:
    """Take a certificate, with its chain, and its key. Raises `LabError` if they do not belong together."""
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise LabError(
            f"{certificate} and {key} are no certificate with its key: {error}",
            "both in PEM, the key without a password",
        ) from error
    _write(certificate.read_bytes(), key.read_bytes())


def fingerprint() -> str:
    """SHA-256 of the certificate, as browsers show it: pairs of hex digits."""
    digest = x509.load_pem_x509_certificate(certificate_file().read_bytes()).fingerprint(
        hashes.SHA256()
    )
    return digest.hex(":").upper()


def _names() -> list[str]:
    found = x509.load_pem_x509_certificate(certificate_file().read_bytes())
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [
        *names.get_values_for_type(x509.DNSName),
        *(str(each) for each in names.get_values_for_type(x509.IPAddress)),
    ]


def _write(certificate: bytes, key: bytes) -> None:
    place.tls().mkdir(mode=0o700, exist_ok=True)
    for path, data, mode in ((certificate_file(), certificate, 0o644), (key_file(), key, 0o600)):
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
            file.write(data)

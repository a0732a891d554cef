"""Certificates and keys as files: PEM in and out."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from lab.errors import LabError

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
Parsed = TypeVar("Parsed")


def pem(cert: x509.Certificate) -> bytes:
    """Give the certificate as a file holds it."""
    return cert.public_bytes(Encoding.PEM)


def certificate(text: bytes | str) -> x509.Certificate:
    """Read the first certificate of a PEM file."""
    return _parse("CERTIFICATE", x509.load_pem_x509_certificate, text)


def request(text: bytes | str) -> x509.CertificateSigningRequest:
    """Read a signing request."""
    return _parse("CERTIFICATE REQUEST", x509.load_pem_x509_csr, text)


def revocations(text: bytes | str) -> x509.CertificateRevocationList:
    """Read a revocation list."""
    return _parse("X509 CRL", x509.load_pem_x509_crl, text)


def private_key(text: bytes | str) -> PrivateKey:
    """Read an unencrypted key of a kind that an authority can have."""
    return _parse("PRIVATE KEY", _ecdsa_or_rsa, text)


def _ecdsa_or_rsa(text: bytes) -> PrivateKey:
    key = load_pem_private_key(text, password=None)
    if not isinstance(key, PrivateKey):
        raise ValueError("it is neither ECDSA nor RSA")
    return key


def _parse(label: str, reader: Callable[[bytes], Parsed], text: bytes | str) -> Parsed:
    """Read a PEM block by ``reader``, and say what was wanted where that fails."""
    try:
        return reader(text.encode() if isinstance(text, str) else text)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        reason = str(error).partition(". ")[0]  # the rest is a link to the library's own pages
        raise LabError(
            f"this is not a {label} in PEM: {reason}",
            f"give the whole text, unencrypted, from -----BEGIN {label}----- to its -----END",
        ) from error


def read(path: Path) -> bytes:
    """Read one of an authority's files."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise LabError(
            f"no authority here: {path}: {error.strerror}",
            "make one: Authority.create(NAME).save(FOLDER)",
        ) from error


def write(path: Path, data: bytes, mode: int) -> None:
    """Replace a file in one step, so that nobody reads half of it or a key with too open a mode."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    with os.fdopen(handle, "wb") as file:
        os.fchmod(handle, mode)
        file.write(data)
    Path(name).replace(path)

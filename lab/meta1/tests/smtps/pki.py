"""Throw-away authorities and certificates for tests."""

from __future__ import annotations

import datetime
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NOW = datetime.datetime.utcnow()
DAY = datetime.timedelta(days=1)


def name_of(*pairs: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    """Make a DN."""
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in pairs])


class Authority:
    """A CA that writes PEM files."""

    def __init__(self, folder: Path, common_name: str) -> None:
        """Make key and self-signed certificate."""
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = name_of((NameOID.COUNTRY_NAME, "DE"), (NameOID.COMMON_NAME, common_name))
        self.certificate = self._sign(self.name, self.key, is_ca=True)
        self.file = folder / f"{common_name.replace(' ', '-')}.pem"
        self.file.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def _sign(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, is_ca: bool, days: int = 30
    ) -> x509.Certificate:
        constraints = x509.BasicConstraints(ca=is_ca, path_length=None)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - 2 * DAY)
            .not_valid_after(NOW + days * DAY)
            .add_extension(constraints, critical=True)
            .sign(self.key, hashes.SHA256())
        )

    def issue(
        self, label: str, subject: x509.Name | None = None, days: int = 30
    ) -> tuple[Path, Path]:
        """Write certificate and key; give their paths."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = subject or name_of((NameOID.COMMON_NAME, label))
        certificate = self._sign(subject, key, is_ca=False, days=days)
        cert_file, key_file = self.folder / f"{label}.crt", self.folder / f"{label}.key"
        for file in (cert_file, key_file):
            file.unlink(missing_ok=True)
        cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        key_file.chmod(0o400)
        return cert_file, key_file


def client_context(pair: tuple[Path, Path] | None = None) -> ssl.SSLContext:
    """A client that takes any certificate and may show one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if pair is not None:
        context.load_cert_chain(*map(str, pair))
    return context

"""A lab's own certificate authority and what it signs.

Notebooks call it on the host and put the files on the machine, or sign a request that openssl made
there. Time comes in as ``now``, so an expired certificate is made by a ``now`` in the past.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from lab.errors import LabError
from lab.pki import fields, files
from lab.pki.fields import KeyKind, Use
from lab.pki.names import dn

DAYS = 90  # short on purpose: a reader who comes back meets an expired certificate
MAIL_HOST: tuple[Use, ...] = ("server", "client")  # it receives mail and passes it on

KEY_FILE, CERT_FILE, CRL_FILE = "cakey.pem", "cacert.pem", "crl.pem"


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate with its private key."""

    certificate: x509.Certificate
    key: files.PrivateKey = field(repr=False)

    @property
    def cert_pem(self) -> bytes:
        """The certificate as a file holds it."""
        return files.pem(self.certificate)

    @property
    def key_pem(self) -> bytes:
        """The key, unencrypted because a daemon starts with nobody there to type a password."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@dataclass(frozen=True, slots=True)
class Authority(Issued):
    """A root that signs for one lab and knows what it revoked; ``save`` it after a ``revoke``."""

    revoked: dict[int, x509.RevokedCertificate] = field(default_factory=dict, repr=False)

    @classmethod
    def create(
        cls,
        name: str | x509.Name,
        days: int = DAYS,
        now: datetime | None = None,
        key_kind: KeyKind = "ecdsa",
    ) -> Authority:
        """Make a new root; a plain ``name`` becomes its common name, a whole one is kept."""
        if isinstance(name, str):
            name = fields.subject(name)
        fields.require_named(name)
        key = fields.new_key(key_kind)
        public_key, period = key.public_key(), fields.period(now, days)
        builder = fields.start(name, public_key, name, public_key, period)
        for extension, critical in fields.root_extensions():
            builder = builder.add_extension(extension, critical)
        return cls(builder.sign(key, hashes.SHA256()), key)

    @classmethod
    def load(cls, folder: Path) -> Authority:
        """Read what ``save`` wrote."""
        cert = files.certificate(files.read(folder / CERT_FILE))
        key = files.private_key(files.read(folder / KEY_FILE))
        if cert.public_key() != key.public_key():
            raise LabError(
                f"{folder / KEY_FILE} is not the key of {folder / CERT_FILE}",
                "bring back the file that was replaced, or make a new authority",
            )
        crl = files.revocations(files.read(folder / CRL_FILE))
        return cls(cert, key, {entry.serial_number: entry for entry in crl})

    def save(self, folder: Path) -> None:
        """Write certificate, revocation list and key; the key is for its owner's eyes only."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        files.write(folder / KEY_FILE, self.key_pem, 0o600)
        files.write(folder / CERT_FILE, self.cert_pem, 0o644)
        files.write(folder / CRL_FILE, self.crl(), 0o644)

    def issue_server(
        self,
        names: str | Sequence[str],
        *,
        uses: Sequence[Use] = MAIL_HOST,
        days: int = DAYS,
        now: datetime | None = None,
        key_kind: KeyKind = "ecdsa",
    ) -> Issued:
        """Make a key and a certificate for a host; its first name is the common name as well."""
        hosts = [names] if isinstance(names, str) else list(names)
        subject = fields.subject(hosts[0] if hosts else "", self.certificate.subject)
        alternatives = [fields.host_name(host) for host in hosts]
        key = fields.new_key(key_kind)
        cert = self._certify(subject, key.public_key(), alternatives, uses, days, now)
        return Issued(cert, key)

    def issue_client(
        self,
        common_name: str,
        email: str | None = None,
        *,
        days: int = DAYS,
        now: datetime | None = None,
        key_kind: KeyKind = "ecdsa",
    ) -> Issued:
        """Make a key and a certificate for one who connects: a person or a program."""
        subject = fields.subject(common_name, self.certificate.subject)
        alternatives = [fields.mail_address(email)] if email is not None else []
        key = fields.new_key(key_kind)
        cert = self._certify(subject, key.public_key(), alternatives, ("client",), days, now)
        return Issued(cert, key)

    def sign(
        self,
        csr_pem: bytes | str,
        names: Sequence[str] = (),
        *,
        uses: Sequence[Use] = MAIL_HOST,
        days: int = DAYS,
        now: datetime | None = None,
    ) -> x509.Certificate:
        """Sign a request made elsewhere.

        Subject, key and names are taken from it and nothing else, as a request may ask to be an
        authority; ``names`` given here replace those in it.
        """
        csr = files.request(csr_pem)
        if not csr.is_signature_valid:
            raise LabError(
                "the request was changed after it was signed, or signed by another key",
                "make it again: openssl req -new -key KEY -subj SUBJECT",
            )
        fields.require_named(csr.subject)
        fields.require_strong(csr.public_key())
        alternatives = [fields.host_name(name) for name in names] or fields.names_asked(csr, uses)
        return self._certify(csr.subject, csr.public_key(), alternatives, uses, days, now)

    def revoke(self, cert: x509.Certificate, now: datetime | None = None) -> None:
        """Take back one of this authority's certificates; the next ``crl()`` lists it."""
        if not is_signed_by(cert, self.certificate):
            raise LabError(
                f"{dn(cert.subject)} was not signed by {dn(self.certificate.subject)}",
                "ask the authority that it names: openssl x509 -noout -issuer",
            )
        entry = x509.RevokedCertificateBuilder().serial_number(cert.serial_number)
        entry = entry.revocation_date(fields.clock(now))
        self.revoked.setdefault(cert.serial_number, entry.build())

    def crl(self, days: int = DAYS, now: datetime | None = None) -> bytes:
        """List what is revoked, in PEM, good for ``days``."""
        start, end = fields.period(now, days)
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.certificate.subject)
        builder = builder.last_update(start - fields.BACKDATE).next_update(end)
        # RFC 5280 5.2.3: the number only ever grows; the clock does that without one more file.
        number, signer = x509.CRLNumber(int(start.timestamp())), self.key.public_key()
        builder = builder.add_extension(number, critical=False)
        builder = builder.add_extension(fields.authority_id(signer), critical=False)
        for entry in self.revoked.values():
            builder = builder.add_revoked_certificate(entry)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM)

    def _certify(
        self,
        subject: x509.Name,
        public_key: CertificatePublicKeyTypes,
        alternatives: Sequence[x509.GeneralName],
        uses: Sequence[Use],
        days: int,
        now: datetime | None,
    ) -> x509.Certificate:
        """Build and sign a leaf that ends no later than the authority itself."""
        start, end = fields.period(now, days)
        issuer, last = self.certificate.subject, self.certificate.not_valid_after_utc
        if start >= last:
            raise LabError(
                f"the authority {dn(issuer)} expired on {last:%Y-%m-%d}",
                "make a new one with Authority.create(NAME), and give it to all who trust this one",
            )
        period = (start, min(end, last))
        builder = fields.start(subject, public_key, issuer, self.key.public_key(), period)
        for extension, critical in fields.leaf_extensions(public_key, alternatives, uses):
            builder = builder.add_extension(extension, critical)
        return builder.sign(self.key, hashes.SHA256())


def is_signed_by(cert: x509.Certificate, signer: x509.Certificate) -> bool:
    """Tell whether ``signer`` is named in ``cert`` as issuer and did sign it."""
    try:
        cert.verify_directly_issued_by(signer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True

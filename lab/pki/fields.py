"""What a certificate is filled in with: its names, its period, its extensions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lab.errors import LabError, UnknownName
from lab.pki.files import PrivateKey

KeyKind = Literal["ecdsa", "rsa"]
Use = Literal["server", "client"]
Extensions = Iterator[tuple[x509.ExtensionType, bool]]  # with whether it is critical

BACKDATE = timedelta(minutes=5)  # the machine's clock may be behind the host's
ORGANIZATION = "MeTA1 lab"
WEAKEST_RSA = 2048  # Debian's OpenSSL refuses less in a handshake: "ee key too small"

KEY_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)
EXTENDED_USES = {
    "server": ExtendedKeyUsageOID.SERVER_AUTH,
    "client": ExtendedKeyUsageOID.CLIENT_AUTH,
}
DNS_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
HOST_NAME = re.compile(rf"(\*\.)?{DNS_LABEL}(\.{DNS_LABEL})*", re.IGNORECASE)
MAIL_ADDRESS = re.compile(r"[!-?A-~]+@[!-?A-~]+")  # printable ASCII but for the one @

NEW_KEYS: dict[str, Callable[[], PrivateKey]] = {
    "ecdsa": lambda: ec.generate_private_key(ec.SECP256R1()),
    "rsa": lambda: rsa.generate_private_key(public_exponent=65537, key_size=WEAKEST_RSA),
}


def new_key(kind: KeyKind) -> PrivateKey:
    """Make a key: ECDSA P-256, or RSA for those who can't do that."""
    if kind not in NEW_KEYS:
        raise UnknownName("kind of key", kind, NEW_KEYS)
    return NEW_KEYS[kind]()


def clock(now: datetime | None) -> datetime:
    """Give the time in UTC and whole seconds, as certificates count."""
    return (now or datetime.now(UTC)).astimezone(UTC).replace(microsecond=0)


def period(now: datetime | None, days: int) -> tuple[datetime, datetime]:
    """Give first and last moment of a life of ``days``."""
    if days < 1:
        raise LabError(
            f"{days} days is no life for a certificate",
            "give one day or more; one that has expired is made by a now in the past",
        )
    begin = clock(now)
    return begin, begin + timedelta(days=days)


def subject(common_name: str, above: x509.Name | None = None) -> x509.Name:
    """Name a new certificate: what its authority is part of (C, O, ...), then its own name."""
    if not common_name.strip():
        raise LabError("the name is empty", "give a host's name, or whom the certificate is for")
    try:
        own = x509.NameAttribute(NameOID.COMMON_NAME, common_name)
    except ValueError as error:
        raise LabError(
            f"{common_name!r} is no common name: {error}", "give at most 64 bytes"
        ) from error
    if above is None:
        return x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANIZATION), own])
    kept = (rdn for rdn in above.rdns if not rdn.get_attributes_for_oid(NameOID.COMMON_NAME))
    return x509.Name([*kept, x509.RelativeDistinguishedName([own])])


def require_named(name: x509.Name) -> None:
    """Refuse an empty subject: access maps and people go by it."""
    if not any(str(part.value).strip() for part in name):
        raise LabError("the name is empty", "give a subject: openssl req -new -subj /O=.../CN=...")


def require_strong(key: CertificatePublicKeyTypes) -> None:
    """Refuse a key that the machine's own OpenSSL would refuse later, with a less clear error."""
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < WEAKEST_RSA:
        raise LabError(
            f"an RSA key of {key.key_size} bits is too small",
            f"make one of {WEAKEST_RSA} bits or more, or an ECDSA key",
        )


def host_name(name: str) -> x509.GeneralName:
    """Give an alternative name of the kind that fits: an address or a name in DNS."""
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        if HOST_NAME.fullmatch(name):
            return x509.DNSName(name)
    raise LabError(
        f"{name!r} is neither a host name nor an address",
        "write it as DNS has it: letters, digits and hyphens, others as xn--...",
    )


def mail_address(address: str) -> x509.GeneralName:
    """Give the alternative name of a person."""
    if MAIL_ADDRESS.fullmatch(address):
        return x509.RFC822Name(address)
    raise LabError(f"{address!r} is not a mail address", "write it as user@domain, in ASCII")


def names_asked(csr: x509.CertificateSigningRequest, uses: Sequence[Use]) -> list[x509.GeneralName]:
    """Take a request's alternative names, or for a host its common name: few requests have any."""
    for extension in csr.extensions:
        if isinstance(extension.value, x509.SubjectAlternativeName):
            return list(extension.value)
    common = csr.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return [host_name(str(part.value)) for part in common] if "server" in uses else []


def start(
    name: x509.Name,
    public_key: CertificatePublicKeyTypes,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
    life: tuple[datetime, datetime],
) -> x509.CertificateBuilder:
    """Begin a certificate with what root and leaf have alike; the serial number is random."""
    builder = x509.CertificateBuilder(issuer, name, public_key, x509.random_serial_number())
    builder = builder.not_valid_before(life[0] - BACKDATE).not_valid_after(life[1])
    own_id = x509.SubjectKeyIdentifier.from_public_key(public_key)
    builder = builder.add_extension(own_id, critical=False)
    return builder.add_extension(authority_id(issuer_key), critical=False)


def authority_id(key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey) -> x509.AuthorityKeyIdentifier:
    """Name the signing key, as two authorities may bear one name."""
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key)


def root_extensions() -> Extensions:
    """Say that it signs, hosts and lists only: path length 0 forbids another authority below."""
    yield x509.BasicConstraints(ca=True, path_length=0), True
    yield _key_usage("key_cert_sign", "crl_sign"), True


def leaf_extensions(
    key: CertificatePublicKeyTypes, alternatives: Sequence[x509.GeneralName], uses: Sequence[Use]
) -> Extensions:
    """Say that it signs nothing, what it is for, and by which names it is known."""
    yield x509.BasicConstraints(ca=False, path_length=None), True
    # With RSA a TLS 1.2 client may send its secret encrypted to the key; ECDSA can't do that.
    more = ("key_encipherment",) if isinstance(key, rsa.RSAPublicKey) else ()
    yield _key_usage("digital_signature", *more), True
    yield x509.ExtendedKeyUsage([_extended_use(use) for use in uses]), False
    if alternatives:
        yield x509.SubjectAlternativeName(alternatives), False


def _key_usage(*given: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{usage: usage in given for usage in KEY_USAGES})


def _extended_use(use: Use) -> x509.ObjectIdentifier:
    if use not in EXTENDED_USES:
        raise UnknownName("use", use, EXTENDED_USES)
    return EXTENDED_USES[use]

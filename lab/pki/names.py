"""The names by which a certificate is found: on an access map's line, in a folder of hashes."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

from lab.pki.files import pem, write

HASH_LINK = re.compile(r"[0-9a-f]{8}\.[0-9]+")
SEQUENCE, SET, OBJECT_ID, UTF8_STRING, VERSION = 0x30, 0x31, 0x06, 0x0C, 0xA0  # DER tags
CHARSETS = {  # DER tag of a text -> how OpenSSL reads it; any other value is hashed as it is
    **{UTF8_STRING: "utf-8", 0x1C: "utf-32-be", 0x1E: "utf-16-be"},
    **dict.fromkeys((0x13, 0x14, 0x16), "latin-1"),
}
SHORT_NAMES = {  # OpenSSL's own; any other attribute is written as its dotted number
    NameOID.COUNTRY_NAME: "C",
    NameOID.STATE_OR_PROVINCE_NAME: "ST",
    NameOID.LOCALITY_NAME: "L",
    NameOID.STREET_ADDRESS: "street",
    NameOID.ORGANIZATION_NAME: "O",
    NameOID.ORGANIZATIONAL_UNIT_NAME: "OU",
    NameOID.COMMON_NAME: "CN",
    NameOID.EMAIL_ADDRESS: "emailAddress",
    NameOID.DOMAIN_COMPONENT: "DC",
    NameOID.USER_ID: "UID",
    NameOID.SURNAME: "SN",
    NameOID.GIVEN_NAME: "GN",
    NameOID.TITLE: "title",
    NameOID.SERIAL_NUMBER: "serialNumber",
    NameOID.DN_QUALIFIER: "dnQualifier",
}


def dn(cert_name: x509.Name) -> str:
    """Write a name on one line as access maps want it: ``/O=MeTA1+20lab/CN=Lab+20CA``.

    Sendmail's rule: a byte that is not printable, and each of ``<>()"+`` and blank, becomes ``+``
    and two hex digits. Parts of a multi-valued RDN are set apart by ``/`` too.
    """
    return "".join(f"/{short_name(part)}={_plus_encoded(part.value)}" for part in cert_name)


def short_name(part: x509.NameAttribute[str | bytes]) -> str:
    """Give an attribute's name as OpenSSL writes it: CN, O, emailAddress."""
    return SHORT_NAMES.get(part.oid, part.oid.dotted_string)


def _plus_encoded(value: str | bytes) -> str:
    raw = value.encode() if isinstance(value, str) else value
    plain = set(range(ord("!"), ord("~") + 1)) - set(b'<>()"+')
    return "".join(chr(byte) if byte in plain else f"+{byte:02X}" for byte in raw)


def hash_name(cert: x509.Certificate) -> str:
    """Give the name by which OpenSSL finds a CA in a folder: ``openssl x509 -subject_hash``.

    SHA-1 over the subject in canonical form, its first four bytes read from the last to the first.
    Two spellings that differ by case or blanks alone are one name.
    """
    rdns = (_canonical_rdn(rdn) for _, rdn in _values(_subject_bytes(cert)))
    return hashlib.sha1(b"".join(rdns), usedforsecurity=False).digest()[3::-1].hex()


def _subject_bytes(cert: x509.Certificate) -> bytes:
    """Find the subject in the raw certificate, since ``cert.subject`` loses unusual encodings."""
    ((_, body),) = _values(cert.tbs_certificate_bytes)
    fields = list(_values(body))
    return fields[5 if fields[0][0] == VERSION else 4][1]


def _canonical_rdn(rdn: bytes) -> bytes:
    entries = []
    for _, entry in _values(rdn):
        (_, attribute), (tag, value) = _values(entry)
        entries.append(_der(SEQUENCE, _der(OBJECT_ID, attribute) + _canonical_value(tag, value)))
    return _der(SET, b"".join(sorted(entries)))  # DER sorts a set, here after the rewriting


def _canonical_value(tag: int, value: bytes) -> bytes:
    if tag not in CHARSETS:
        return _der(tag, value)
    # Bytes on purpose: blanks and capitals count as such in ASCII alone, so É stays É.
    words = value.decode(CHARSETS[tag]).encode().split()
    return _der(UTF8_STRING, b" ".join(words).lower())


def _values(der: bytes) -> Iterator[tuple[int, bytes]]:
    """Walk over DER values that follow one another: tag and content of each."""
    while der:
        tag, length, start = der[0], der[1], 2
        if length > 0x7F:  # long form: the low bits say how many bytes hold the length
            start += length & 0x7F
            length = int.from_bytes(der[2:start], "big")
        yield tag, der[start : start + length]
        der = der[start + length :]


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size <= 0x7F:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def hashed_directory(folder: Path, certs: Mapping[str, x509.Certificate]) -> dict[str, str]:
    """Write certificates (file name -> certificate) and the links that ``openssl rehash`` makes.

    Gives back link -> file name. Links left from before are removed: they may lead to a
    certificate that is no longer trusted.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        if old.is_symlink() and HASH_LINK.fullmatch(old.name):
            old.unlink()
    for name, cert in certs.items():
        write(folder / name, pem(cert), 0o644)
    links = _hash_links(certs)
    for link, name in links.items():
        (folder / link).symlink_to(name)
    return links


def _hash_links(certs: Mapping[str, x509.Certificate]) -> dict[str, str]:
    links: dict[str, str] = {}
    linked: set[x509.Certificate] = set()
    for name, cert in sorted(certs.items(), key=lambda item: os.fsencode(item[0])):
        if cert not in linked:
            base = hash_name(cert)
            links[next(f"{base}.{n}" for n in count() if f"{base}.{n}" not in links)] = name
            linked.add(cert)
    return links

"""The names in an X.509 certificate, written as the access map wants them."""

from __future__ import annotations

import re
from typing import Final

from cryptography import x509
from cryptography.x509.oid import NameOID

_MAX_NAME: Final = 1024
"""Longest DN kept, as in MeTA1 (SM_TLS_NAME_MAX)."""

# OpenSSL's short names, as its one-line form writes them; others appear as dotted numbers.
_SHORT_NAMES: Final = {
    NameOID.COMMON_NAME: "CN",
    NameOID.COUNTRY_NAME: "C",
    NameOID.STATE_OR_PROVINCE_NAME: "ST",
    NameOID.LOCALITY_NAME: "L",
    NameOID.ORGANIZATION_NAME: "O",
    NameOID.ORGANIZATIONAL_UNIT_NAME: "OU",
    NameOID.EMAIL_ADDRESS: "emailAddress",
    NameOID.DOMAIN_COMPONENT: "DC",
    NameOID.USER_ID: "UID",
    NameOID.SERIAL_NUMBER: "serialNumber",
    NameOID.STREET_ADDRESS: "street",
    NameOID.GIVEN_NAME: "GN",
    NameOID.SURNAME: "SN",
    NameOID.TITLE: "title",
}
_UNSAFE: Final = re.compile(r"[^!#-'*,-.0-;=?-~]")


def names(certificate: bytes) -> tuple[str, str]:
    """Read subject and issuer of a certificate in DER; raises ValueError if it is none."""
    parsed = x509.load_der_x509_certificate(certificate)
    return _one_line(parsed.subject), _one_line(parsed.issuer)


def _one_line(name: x509.Name) -> str:
    """Write a DN as `/C=../O=../CN=..` in the order of the certificate, values encoded."""
    parts = []
    for attribute in name:
        key = _SHORT_NAMES.get(attribute.oid, attribute.oid.dotted_string)
        parts.append(f"/{key}={encode_value(str(attribute.value))}")
    return "".join(parts)[:_MAX_NAME]


def encode_value(value: str) -> str:
    """Write what is not plain as + and two hex digits, also `/`, so that no value forges a DN."""
    return _UNSAFE.sub(lambda found: "".join(f"+{one:02X}" for one in found[0].encode()), value)

"""A picture of a chain of certificates: who signed whom."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID

from lab.pictures import svg
from lab.pki.authority import is_signed_by
from lab.pki.names import short_name

USE_WORDS = {ExtendedKeyUsageOID.SERVER_AUTH: "server", ExtendedKeyUsageOID.CLIENT_AUTH: "client"}
CURVE_NAMES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
DOT_STYLE = f"""\
  bgcolor="transparent"; rankdir="TB";
{svg.NODES}  edge [label=" signed", color="#767676", fontcolor="#767676", fontname="sans-serif"];
"""


def chain_picture(certs: Sequence[x509.Certificate], now: datetime | None = None) -> str:
    """Draw who signed whom as SVG, by Graphviz; ``now`` only decides what is marked as expired."""
    otherwise = " (or print chain_dot(...), the same as text)"
    return svg.drawn(chain_dot(certs, now), "Certificates and who signed them", otherwise)


def chain_dot(certs: Sequence[x509.Certificate], now: datetime | None = None) -> str:
    """Write the same picture in Graphviz's language; an issuer that is missing is dashed."""
    lines = []
    for i, cert in enumerate(certs):
        lines.append(f"  c{i} [label={_quoted(_label(cert, now))}];")
        signers = [f"c{n}" for n, signer in enumerate(certs) if is_signed_by(cert, signer)]
        if not signers:
            missing = [*_name_lines(cert.issuer), "not among these"]
            lines.append(f'  u{i} [style="filled,dashed", label={_quoted(missing)}];')
        lines += [f"  {signer} -> c{i};" for signer in signers or [f"u{i}"]]
    return "digraph certificates {\n" + DOT_STYLE + "\n".join(lines) + "\n}\n"


def _label(cert: x509.Certificate, now: datetime | None) -> list[str]:
    # A length in days, not two dates: the picture is the same whenever it is drawn.
    days = round((cert.not_valid_after_utc - cert.not_valid_before_utc) / timedelta(days=1))
    expired = (now or datetime.now(UTC)) > cert.not_valid_after_utc
    valid = f"valid for {days} days" + (", expired" if expired else "")
    return [*_name_lines(cert.subject), valid, f"{_key_kind(cert.public_key())}, {_uses(cert)}"]


def _name_lines(name: x509.Name) -> list[str]:
    return [f"{short_name(part)} = {part.value!s}" for part in name] or ["(no name)"]


def _key_kind(key: CertificatePublicKeyTypes) -> str:
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"ECDSA {CURVE_NAMES.get(key.curve.name, key.curve.name)}"
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA {key.key_size}"
    return type(key).__name__.removesuffix("PublicKey").lstrip("_")


def _uses(cert: x509.Certificate) -> str:
    for extension in cert.extensions:
        if isinstance(extension.value, x509.BasicConstraints) and extension.value.ca:
            return "authority"
        if isinstance(extension.value, x509.ExtendedKeyUsage):
            return " and ".join(USE_WORDS.get(use, use.dotted_string) for use in extension.value)
    return "any use"


def _quoted(lines: Sequence[str]) -> str:
    """Write lines as one string of dot, which reads HTML entities in it as well."""
    escaped = (re.sub(r'(["\\])', r"\\\1", line).replace("&", "&amp;") for line in lines)
    return '"' + "\\n".join(escaped) + '"'

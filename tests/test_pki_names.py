"""The names of certificates are those that openssl and sendmail give them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID
from openssl_program import name, openssl, request

from lab import pki
from lab.pki.names import SHORT_NAMES

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LONG = "x" * 300
CN, ORG, C = NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME, NameOID.COUNTRY_NAME
MAIL, UNIT = NameOID.EMAIL_ADDRESS, NameOID.ORGANIZATIONAL_UNIT_NAME


@pytest.fixture(scope="module")
def authority() -> pki.Authority:
    """One authority for the tests that don't change it."""
    return pki.Authority.create("Lab CA")


NAMES = [
    name(),
    name([(CN, "a")]),
    name([(C, "DE")], [(ORG, "Lab")], [(CN, "Lab CA")]),
    name([(CN, "UPPER lower MiXeD")]),
    name([(CN, "  leading and trailing   ")]),
    name([(CN, "many     blanks\t\tand\ntabs \v\f\r here")]),
    name([(CN, "   ")]),
    name([(CN, "no\N{NO-BREAK SPACE}break \N{IDEOGRAPHIC SPACE} space")]),
    name([(CN, "Große Maße")], [(ORG, "ÄÖÜ äöü École")]),
    name([(ORG, "ИВАНОВ Иван")], [(CN, "日本語 🐟")]),
    name([(CN, "İstanbul ẞ \N{KELVIN SIGN}")]),
    name([(CN, 'semi;colon,comma+plus=equals/slash\\back"quote<angle>#')]),
    name([(CN, "a"), (ORG, "b")]),
    name([(ORG, "b"), (CN, "a")]),
    name([(CN, "ZZZ"), (ORG, "a"), (UNIT, "  M  m ")], [(MAIL, "Post@Lab.Example")]),
    name([(UNIT, "Zebra"), (UNIT, "apple"), (UNIT, "  BEAR")]),
    name([(UNIT, "longer first"), (UNIT, "B")]),
    name([(ORG, "one")], [(ORG, "two")], [(ORG, "two")]),
    name([(ORG, LONG)], [(UNIT, "y" * 127), (UNIT, "é" * 64)], [(UNIT, "z" * 70000)]),
    name([(NameOID.DOMAIN_COMPONENT, "Example")], [(NameOID.DOMAIN_COMPONENT, "LAB")]),
    name([(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1.200"), "Own  Attribute")]),
    name([(ORG, "Plain  Printable", 19)], [(UNIT, "IA5 @ Text", 22)]),
    name([(ORG, "B M P  Größe", 30)], [(UNIT, "Universal  ÜX 🐟", 28)]),
    name([(ORG, "T61 as Latin-1  É", 20)]),
    name([(UNIT, "12 34  56", 18)]),
]


@pytest.mark.parametrize("subject", NAMES, ids=range(len(NAMES)))
def test_hash_name_is_openssls(subject: x509.Name, authority: pki.Authority) -> None:
    """The hash of any subject is the one that openssl prints."""
    cert = signed_with(subject, authority)
    printed = openssl("x509", "-noout", "-subject_hash", data=pki.pem(cert))
    assert pki.hash_name(cert) == printed.strip()


def signed_with(subject: x509.Name, authority: pki.Authority) -> x509.Certificate:
    """Make a certificate with a subject that the authority itself would refuse to make."""
    builder = x509.CertificateBuilder(authority.certificate.subject, subject)
    builder = builder.public_key(authority.key.public_key()).serial_number(1)
    builder = builder.not_valid_before(NOON).not_valid_after(NOON + timedelta(days=1))
    return builder.sign(authority.key, hashes.SHA256())


def test_hash_name_of_an_openssl_made_subject(tmp_path: Path, authority: pki.Authority) -> None:
    """It holds as well for a subject that openssl encoded, in a version 1 certificate."""
    request(tmp_path, subject="/C=DE/O=Größe  X+OU=b B/CN=Ä a")
    ca, made = tmp_path / "ca.pem", tmp_path / "v1.pem"
    ca.write_bytes(authority.cert_pem + authority.key_pem)
    signer = ("-CA", ca, "-CAkey", ca)
    openssl("x509", "-req", "-in", tmp_path / "newreq.csr", *signer, "-out", made)
    cert = pki.certificate(made.read_bytes())
    assert cert.version is x509.Version.v1
    assert pki.hash_name(cert) == openssl("x509", "-noout", "-subject_hash", "-in", made).strip()


def test_hashed_directory_is_as_rehash_makes_it(tmp_path: Path, authority: pki.Authority) -> None:
    """Links are openssl's own: numbered where names collide, one for a certificate in two files."""
    twin = pki.Authority.create(name([(ORG, "META1  lab")], [(CN, "lab ca")]))
    other = pki.Authority.create("Other CA")
    certs = {
        "z.pem": authority.certificate,
        "a.pem": twin.certificate,
        "B.pem": other.certificate,
        "copy.pem": other.certificate,
    }
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    links = pki.hashed_directory(ours, certs)
    theirs.mkdir()
    for file, cert in certs.items():
        (theirs / file).write_bytes(pki.pem(cert))
    openssl("rehash", theirs)
    assert link_targets(ours) == link_targets(theirs) == links
    assert sorted(link[-2:] for link in links) == [".0", ".0", ".1"]
    assert pki.hashed_directory(ours, certs) == links


def link_targets(folder: Path) -> dict[str, str]:
    """Give each symbolic link of a folder with where it leads."""
    return {path.name: str(path.readlink()) for path in folder.iterdir() if path.is_symlink()}


def test_hashed_directory_forgets(tmp_path: Path, authority: pki.Authority) -> None:
    """openssl trusts what is in the folder, and no longer what was taken out of it."""
    cert = tmp_path / "leaf.pem"
    cert.write_bytes(authority.issue_server("mail.lab.example").cert_pem)
    folder = tmp_path / "certs"
    pki.hashed_directory(folder, {"cacert.pem": authority.certificate})
    openssl("verify", "-no-CAfile", "-CApath", folder, cert)
    pki.hashed_directory(folder, {"other.pem": pki.Authority.create("Other CA").certificate})
    openssl("verify", "-no-CAfile", "-CApath", folder, cert, ok=False)


@pytest.mark.parametrize(
    ("subject", "line"),
    [
        (name([(C, "DE")], [(ORG, "Lab")], [(CN, "ca")]), "/C=DE/O=Lab/CN=ca"),
        (name([(CN, "ca")], [(C, "DE")]), "/CN=ca/C=DE"),
        (
            name([(CN, "Darth Mail (Cert)")], [(MAIL, "darth+cert@endmail.org")]),
            "/CN=Darth+20Mail+20+28Cert+29/emailAddress=darth+2Bcert@endmail.org",
        ),
        (name([(CN, '<a>"b"\tc\x7f')]), "/CN=+3Ca+3E+22b+22+09c+7F"),
        (name([(CN, "Aßmann")]), "/CN=A+C3+9Fmann"),
        (name([(CN, "a=b,c;d\\e!~")]), "/CN=a=b,c;d\\e!~"),
        (name([(ORG, "b"), (CN, "a")]), "/O=b/CN=a"),
        (
            name([(NameOID.SURNAME, "s")], [(x509.ObjectIdentifier("1.2.3.4"), "x")]),
            "/SN=s/1.2.3.4=x",
        ),
        (name(), ""),
    ],
)
def test_dn_is_one_line_with_special_bytes_encoded(subject: x509.Name, line: str) -> None:
    """A name is written in its own order, as access maps want it."""
    assert pki.dn(subject) == line


def test_dn_short_names_are_openssls(authority: pki.Authority) -> None:
    """Every attribute that has a short name has the one that openssl prints."""
    subject = name(*([(oid, "xx")] for oid in SHORT_NAMES))
    cert = signed_with(subject, authority)
    printed = openssl("x509", "-noout", "-subject", "-nameopt", "compat", data=pki.pem(cert))
    assert printed.strip() == f"subject={pki.dn(subject)}"


def test_issued_names_lie_below_the_authority() -> None:
    """A leaf takes over what its authority is part of, and has its own common name."""
    whole = name([(C, "DE")], [(ORG, "Endmail")], [(CN, "Lab CA")])
    leaf = pki.Authority.create(whole).issue_client("Darth Mail").certificate
    assert pki.dn(leaf.subject) == "/C=DE/O=Endmail/CN=Darth+20Mail"

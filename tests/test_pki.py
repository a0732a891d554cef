"""The lab's authority and what it signs, as the openssl program sees it."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from openssl_program import Verifier, openssl, request

from lab import pki
from lab.errors import LabError

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def authority() -> pki.Authority:
    """One authority for the tests that don't change it."""
    return pki.Authority.create("Lab CA")


@pytest.fixture
def verify(tmp_path: Path, authority: pki.Authority) -> Verifier:
    """``openssl verify`` that trusts the authority."""
    return Verifier(tmp_path, authority)


# What is signed, as openssl sees it


def test_server_chain_is_good(verify: Verifier, authority: pki.Authority) -> None:
    """openssl accepts a host's certificate, by each name, for a server and for a client."""
    cert = authority.issue_server(["mail.lab.example", "lab.example", "127.0.0.1"]).certificate
    for purpose in ("sslserver", "sslclient"):
        verify(cert, "-purpose", purpose)
    verify(cert, "-verify_hostname", "lab.example")
    verify(cert, "-verify_ip", "127.0.0.1")
    assert "mismatch" in verify(cert, "-verify_hostname", "other.example", ok=False)


def test_rsa_chain_is_good(tmp_path: Path) -> None:
    """Root and leaf with RSA keys verify too, and the leaf may encrypt a key."""
    authority = pki.Authority.create("Old CA", key_kind="rsa")
    cert = authority.issue_server("mail.lab.example", key_kind="rsa").certificate
    Verifier(tmp_path, authority)(cert)
    assert "Digital Signature, Key Encipherment" in openssl(
        "x509", "-noout", "-ext", "keyUsage", data=pki.pem(cert)
    )


def test_client_certificate_is_for_clients_only(verify: Verifier, authority: pki.Authority) -> None:
    """A person's certificate carries the mail address and is refused as a server's."""
    cert = authority.issue_client("Darth Mail", "darth@lab.example").certificate
    verify(cert, "-purpose", "sslclient", "-verify_email", "darth@lab.example")
    assert "unsuitable" in verify(cert, "-purpose", "sslserver", ok=False)


def test_uses_can_be_narrowed(verify: Verifier, authority: pki.Authority) -> None:
    """A host that only receives is refused as a client."""
    cert = authority.issue_server("mail.lab.example", uses=["server"]).certificate
    assert "unsuitable" in verify(cert, "-purpose", "sslclient", ok=False)


def test_wrong_authority_fails(tmp_path: Path, authority: pki.Authority) -> None:
    """An authority of the same name but another key is not taken for this one."""
    stranger = Verifier(tmp_path, pki.Authority.create("Lab CA"))
    cert = authority.issue_server("mail.lab.example").certificate
    assert "unable to get local issuer" in stranger(cert, ok=False)


@pytest.mark.parametrize(
    ("days", "said"), [(0, ": OK"), (89, ": OK"), (91, "has expired"), (-1, "not yet valid")]
)
def test_life_is_ninety_days(tmp_path: Path, days: int, said: str) -> None:
    """Root and leaf hold for 90 days, from five minutes before they were made."""
    authority = pki.Authority.create("Lab CA", now=NOON)
    cert = authority.issue_server("mail.lab.example", now=NOON).certificate
    at = NOON - timedelta(minutes=4) + timedelta(days=days)
    check = Verifier(tmp_path, authority)
    assert said in check(cert, "-attime", str(int(at.timestamp())), ok=said == ": OK")


def test_leaf_ends_with_its_authority() -> None:
    """A leaf asked for longer than the root lives is cut to it."""
    authority = pki.Authority.create("Lab CA", days=10, now=NOON)
    cert = authority.issue_server("mail.lab.example", now=NOON + timedelta(days=1)).certificate
    assert cert.not_valid_after_utc == authority.certificate.not_valid_after_utc


def test_expired_leaf_can_be_made_on_purpose(verify: Verifier, authority: pki.Authority) -> None:
    """A ``now`` in the past makes an expired certificate under an authority still good."""
    past = datetime.now(UTC) - timedelta(days=91)
    cert = authority.issue_server("mail.lab.example", now=past).certificate
    assert "certificate has expired" in verify(cert, ok=False)


def test_revoked_certificate_fails(tmp_path: Path) -> None:
    """With its list openssl refuses what was revoked, and nothing else."""
    authority = pki.Authority.create("Lab CA")
    verify, crl = Verifier(tmp_path, authority), tmp_path / "crl.pem"
    lost, kept = (authority.issue_client(who).certificate for who in ("lost", "kept"))
    authority.revoke(lost)
    crl.write_bytes(authority.crl())
    verify(lost)
    assert "certificate revoked" in verify(lost, "-crl_check", "-CRLfile", crl, ok=False)
    verify(kept, "-crl_check", "-CRLfile", crl)


def test_root_may_not_have_authorities_below(authority: pki.Authority) -> None:
    """The root's extensions are critical where they must be, and exclude a second level."""
    text = openssl("x509", "-noout", "-text", data=authority.cert_pem)
    assert re.search(r"Basic Constraints: critical\s+CA:TRUE, pathlen:0", text)
    assert re.search(r"Key Usage: critical\s+Certificate Sign, CRL Sign", text)
    assert "NIST CURVE: P-256" in text


def test_serial_numbers_are_random(authority: pki.Authority) -> None:
    """Two certificates for one host differ in a serial number of more than 64 bits."""
    serials = {authority.issue_server("a.example").certificate.serial_number for _ in range(2)}
    assert len(serials) == 2
    assert max(serials).bit_length() > 64


# Requests made by openssl


def test_request_is_signed(tmp_path: Path, verify: Verifier, authority: pki.Authority) -> None:
    """Subject, key and names of a request come back signed."""
    csr = request(tmp_path, "-addext", "subjectAltName=DNS:mx.lab.example")
    cert = authority.sign(csr)
    verify(cert, "-verify_hostname", "mx.lab.example")
    assert pki.dn(cert.subject) == "/O=Ours/CN=mail.lab.example"
    public = openssl("pkey", "-in", tmp_path / "newkey.pem", "-pubout")
    assert openssl("x509", "-noout", "-pubkey", data=pki.pem(cert)) == public


def test_request_without_names(tmp_path: Path, verify: Verifier, authority: pki.Authority) -> None:
    """A host's common name becomes its alternative name, unless names are given."""
    csr = request(tmp_path).decode()
    verify(authority.sign(csr), "-verify_hostname", "mail.lab.example")
    verify(authority.sign(csr, ["mx.lab.example"]), "-verify_hostname", "mx.lab.example")


def test_client_request_needs_no_host_name(tmp_path: Path, authority: pki.Authority) -> None:
    """For a person the common name is no host name, and none is demanded."""
    csr = request(tmp_path, subject="/CN=Darth Mail")
    with pytest.raises(LabError, match="neither a host name"):
        authority.sign(csr)
    cert = authority.sign(csr, uses=["client"])
    assert [str(extension.oid.dotted_string) for extension in cert.extensions].count(
        "2.5.29.17"
    ) == 0


def test_request_cannot_become_an_authority(tmp_path: Path, authority: pki.Authority) -> None:
    """A request that asks for CA:TRUE gets CA:FALSE."""
    cert = authority.sign(request(tmp_path, "-addext", "basicConstraints=critical,CA:TRUE"))
    assert not cert.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    usage = cert.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]


# Files


def test_saved_authority_comes_back(tmp_path: Path) -> None:
    """After load the same key signs, and what was revoked is still revoked."""
    folder = tmp_path / "deep" / "ca"
    before = pki.Authority.create("Lab CA")
    lost = before.issue_client("lost").certificate
    before.revoke(lost)
    before.save(folder)
    before.save(folder)
    after = pki.Authority.load(folder)
    assert after.certificate == before.certificate
    assert list(after.revoked) == [lost.serial_number]
    Verifier(tmp_path, before)(after.issue_server("mail.lab.example").certificate)


def test_key_is_private_from_the_start(tmp_path: Path) -> None:
    """The key is 0600 and the rest 0644, whatever the umask, and nothing else is left behind."""
    old = os.umask(0)
    try:
        pki.Authority.create("Lab CA").save(tmp_path / "ca")
    finally:
        os.umask(old)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "ca").iterdir()}
    assert modes == {"cakey.pem": 0o600, "cacert.pem": 0o644, "crl.pem": 0o644}
    assert (tmp_path / "ca").stat().st_mode & 0o777 == 0o700


def test_key_is_not_shown(authority: pki.Authority) -> None:
    """A notebook that prints an authority shows no key object."""
    assert "key" not in repr(authority)


# Errors


@pytest.mark.parametrize(
    "text",
    ["", "hello", b"\xff\x00", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"],
)
def test_wrong_pem(text: str | bytes, authority: pki.Authority) -> None:
    """What is no PEM is refused with what was wanted."""
    with pytest.raises(LabError, match="-----BEGIN CERTIFICATE-----"):
        pki.certificate(text)
    with pytest.raises(LabError, match="-----BEGIN CERTIFICATE REQUEST-----"):
        authority.sign(text)


@pytest.mark.parametrize("empty", ["", "  ", []])
def test_empty_names(empty: str, authority: pki.Authority) -> None:
    """Nobody is certified without a name."""
    with pytest.raises(LabError, match="name is empty"):
        authority.issue_server(empty)
    with pytest.raises(LabError, match="name is empty"):
        authority.issue_client(str(empty or ""))
    with pytest.raises(LabError, match="name is empty"):
        pki.Authority.create(x509.Name([]))


@pytest.mark.parametrize(
    "bad", ["mäil.example", "a b.example", "a..b", "a.example.", "-a.example", "x" * 64]
)
def test_bad_host_names(bad: str, authority: pki.Authority) -> None:
    """A name that DNS could not hold is refused, with what to write."""
    with pytest.raises(LabError, match="next: write it as DNS has it"):
        authority.issue_server(["mail.example", bad])


def test_other_bad_input(authority: pki.Authority) -> None:
    """Each wrong argument is answered by its own next step."""
    with pytest.raises(LabError, match="at most 64 bytes"):
        authority.issue_client("x" * 65)
    with pytest.raises(LabError, match="user@domain"):
        authority.issue_client("me", "me at home")
    with pytest.raises(LabError, match="one day or more"):
        authority.issue_client("me", days=0)
    with pytest.raises(LabError, match="ecdsa"):
        pki.Authority.create("Lab CA", key_kind="ecdas")  # type: ignore[arg-type]
    with pytest.raises(LabError, match="server"):
        authority.issue_server("a.example", uses=["servr"])  # type: ignore[list-item]


def test_expired_authority_signs_no_more() -> None:
    """After its end an authority is told to be replaced; its files can still be saved."""
    authority = pki.Authority.create("Lab CA", now=NOON)
    with pytest.raises(LabError, match=r"expired on 2026-05-30\n  next: make a new one"):
        authority.issue_server("mail.lab.example", now=NOON + timedelta(days=91))


def test_tampered_request(tmp_path: Path, authority: pki.Authority) -> None:
    """A request whose subject was changed after signing is refused."""
    csr = x509.load_pem_x509_csr(request(tmp_path))
    der = csr.public_bytes(Encoding.DER).replace(b"mail.lab", b"evil.lab")
    changed = openssl("req", "-inform", "DER", "-outform", "PEM", data=der)
    with pytest.raises(LabError, match="changed after it was signed"):
        authority.sign(changed)


def test_weak_and_nameless_requests(tmp_path: Path, authority: pki.Authority) -> None:
    """A small RSA key and an empty subject are refused here, not later by a handshake."""
    with pytest.raises(LabError, match="RSA key of 1024 bits is too small"):
        authority.sign(request(tmp_path, key=("-newkey", "rsa:1024")))
    with pytest.raises(LabError, match="name is empty"):
        authority.sign(request(tmp_path, subject="/"))


def test_revoking_a_strangers_certificate(authority: pki.Authority) -> None:
    """An authority takes back only what it signed, even if the issuer has its name."""
    stranger = pki.Authority.create("Lab CA").issue_client("me").certificate
    with pytest.raises(LabError, match="was not signed by"):
        authority.revoke(stranger)


def test_load_names_what_is_wrong(tmp_path: Path, authority: pki.Authority) -> None:
    """A folder without files, with another's key or with a locked key is refused."""
    with pytest.raises(LabError, match="no authority here"):
        pki.Authority.load(tmp_path)
    authority.save(tmp_path)
    key_file = tmp_path / "cakey.pem"
    key_file.write_bytes(pki.Authority.create("Lab CA").key_pem)
    with pytest.raises(LabError, match="is not the key of"):
        pki.Authority.load(tmp_path)
    locked = openssl("pkey", "-aes128", "-passout", "pass:x", data=authority.key_pem)
    for text in (locked, openssl("genpkey", "-algorithm", "ed25519")):
        key_file.write_text(text)
        with pytest.raises(LabError, match="not a PRIVATE KEY in PEM"):
            pki.Authority.load(tmp_path)

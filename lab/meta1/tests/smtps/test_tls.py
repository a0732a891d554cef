"""TLS contexts: who may talk to whom, and what is known of a session afterwards."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st
from pki import Authority, name_of

from meta1 import certificate, tls
from meta1.config.sections.common import TlsFiles


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory for the files of this module."""
    return tmp_path_factory.mktemp("pki")


@pytest.fixture(scope="module")
def authority(folder: Path) -> Authority:
    """The CA that our server trusts."""
    return Authority(folder, "Lab CA")


@pytest.fixture(scope="module")
def files(authority: Authority) -> TlsFiles:
    """The tls section of a server."""
    cert, key = authority.issue("server")
    return TlsFiles(key_file=str(key), cert_file=str(cert), cacert_file=str(authority.file))


def shake_hands(
    server: ssl.SSLContext, client: ssl.SSLContext
) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """Do a handshake in memory."""
    one, two = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        server.wrap_bio(one, two, server_side=True),
        client.wrap_bio(two, one, server_side=False),
    )
    open_ends = list(ends)
    for _ in range(20):
        for end in list(open_ends):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            open_ends.remove(end)
    assert not open_ends, "handshake hangs"
    return ends


def test_no_client_certificate(files: TlsFiles) -> None:
    """Without a certificate the word is NO when one was asked for, NOT otherwise."""
    server, client = shake_hands(tls.server_context(files), tls.client_context(None))
    facts = tls.session_facts(server)
    assert (facts.version, facts.verify, facts.subject) == ("TLSv1.3", "NO", "")
    assert facts.bits >= 128 and facts.cipher
    assert tls.session_facts(client).verify == "FAIL"
    server, _ = shake_hands(tls.server_context(files, request_cert=False), tls.client_context(None))
    assert tls.session_facts(server, requested=False).verify == "NOT"


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_good_client_certificate(files: TlsFiles, authority: Authority, version: str) -> None:
    """A certificate of a trusted CA gives OK and both DNs, in either version of TLS."""
    cert, key = authority.issue(
        "client",
        name_of((NameOID.ORGANIZATION_NAME, "Lab (x)"), (NameOID.COMMON_NAME, "a/CN=b")),
    )
    context = tls.client_context(
        TlsFiles(cert_file=str(cert), key_file=str(key), cacert_file=str(authority.file))
    )
    if version == "TLSv1.2":
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    server, client = shake_hands(tls.server_context(files), context)
    facts = tls.session_facts(server)
    assert (facts.version, facts.verify) == (version, "OK")
    assert facts.subject == "/O=Lab+20+28x+29/CN=a+2FCN=b"
    assert facts.issuer == "/C=DE/CN=Lab+20CA"
    assert tls.session_facts(client).verify == "OK"


SIGNERS = {"stranger": "Other CA", "impostor": "Lab CA"}


@pytest.mark.parametrize("kind", ["stranger", "impostor", "expired"])
def test_bad_client_certificate_does_not_abort(
    files: TlsFiles, authority: Authority, tmp_path: Path, kind: str
) -> None:
    """An unknown CA, another one of our CA's name, or an expired certificate: FAIL, no error."""
    signer = Authority(tmp_path, SIGNERS[kind]) if kind in SIGNERS else authority
    cert, key = signer.issue(kind, days=-1 if kind == "expired" else 30)
    context = tls.client_context(TlsFiles(cert_file=str(cert), key_file=str(key)))
    server, _ = shake_hands(tls.server_context(files), context)
    facts = tls.session_facts(server)
    assert facts.verify == "FAIL"
    assert facts.subject == f"/CN={kind}"
    # What OpenSSL says about a wrong signature must not be taken for a fault of the connection.
    with pytest.raises(ssl.SSLWantReadError):
        server.read(1)


def test_hashed_directory(files: TlsFiles, tmp_path: Path) -> None:
    """A CA found by its hash in CAcert_directory is trusted too."""
    other = Authority(tmp_path, "Second CA")
    subprocess.run(["openssl", "rehash", str(tmp_path)], check=True, capture_output=True)
    cert, key = other.issue("from-directory")
    both = TlsFiles(
        key_file=files.key_file,
        cert_file=files.cert_file,
        cacert_file=files.cacert_file,
        cacert_directory=str(tmp_path),
    )
    context = tls.client_context(TlsFiles(cert_file=str(cert), key_file=str(key)))
    server, _ = shake_hands(tls.server_context(both), context)
    assert tls.session_facts(server).verify == "OK"


def test_old_versions_are_refused(files: TlsFiles) -> None:
    """TLS 1.1 and older are not spoken, whatever the client likes."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    client.set_ciphers("ALL:@SECLEVEL=0")
    client.minimum_version = ssl.TLSVersion.TLSv1
    client.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError):
        shake_hands(tls.server_context(files), client)


def test_min_version(files: TlsFiles) -> None:
    """min_version raises the floor."""
    strict = TlsFiles(key_file=files.key_file, cert_file=files.cert_file, min_version="TLSv1.3")
    client = tls.client_context(None)
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        shake_hands(tls.server_context(strict), client)


def test_unusable_files(files: TlsFiles, authority: Authority, tmp_path: Path) -> None:
    """Each fault in the files is told, and none starts a server without TLS in silence."""
    cert, key = authority.issue("open")
    key.chmod(0o644)
    cases = [
        TlsFiles(),
        TlsFiles(cert_file=str(cert), key_file=str(key)),
        TlsFiles(cert_file=files.cert_file, key_file=str(tmp_path / "missing")),
        TlsFiles(cert_file=files.key_file, key_file=files.key_file),
        TlsFiles(cert_file=str(cert), key_file=files.key_file),
        TlsFiles(cert_file=files.cert_file, key_file=files.key_file, ciphers="NONSENSE"),
        TlsFiles(cert_file=files.cert_file, key_file=files.key_file, cacert_file="/nonexistent"),
    ]
    for case in cases:
        with pytest.raises(tls.TlsUnusable):
            tls.server_context(case)


def test_encrypted_key(authority: Authority, tmp_path: Path) -> None:
    """An encrypted key is an error, not a question on the terminal."""
    cert, key = authority.issue("locked")
    locked = tmp_path / "locked.key"
    subprocess.run(
        ["openssl", "pkey", "-in", str(key), "-aes128", "-passout", "pass:x", "-out", str(locked)],
        check=True,
    )
    locked.chmod(0o400)
    with pytest.raises(tls.TlsUnusable):
        tls.server_context(TlsFiles(cert_file=str(cert), key_file=str(locked)))


def test_other_layout_of_the_interpreter(files: TlsFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the pointers are not where they are expected, the server does not guess."""
    monkeypatch.setattr(tls, "_VERIFY_PEER", 99)
    with pytest.raises(tls.TlsUnusable):
        tls.server_context(files)


@pytest.mark.parametrize("error", [ValueError("odd"), OSError("Too many open files")])
def test_unreadable_certificate_fails(
    files: TlsFiles, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """What OpenSSL takes and cryptography does not is no OK, nor what cannot be read just now."""

    def refuse(data: bytes) -> x509.Certificate:
        raise error

    monkeypatch.setattr(certificate.x509, "load_der_x509_certificate", refuse)
    _, client = shake_hands(tls.server_context(files), tls.client_context(files))
    assert tls.session_facts(client).verify == "FAIL"


def test_example_of_sendmail() -> None:
    """The encoding is that of sendmail 8's own example."""
    assert certificate.encode_value("Darth Mail (Cert)") == "Darth+20Mail+20+28Cert+29"
    assert certificate.encode_value("darth+cert@endmail.org") == "darth+2Bcert@endmail.org"


@given(st.text())
def test_no_name_breaks_out(value: str) -> None:
    """Whatever a certificate holds, the DN is printable ASCII without a slash of its own."""
    coded = certificate.encode_value(value.encode("utf-8", "ignore").decode())
    assert coded.isascii() and (coded == "" or coded.isprintable()) and "/" not in coded

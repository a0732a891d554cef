"""The files a configuration names: keys that others can read, certificates that do not fit."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from meta1.config import parse_config
from meta1.config.files import check_files, check_private_key


def make_pair(folder: Path, name: str, password: bytes | None = None) -> tuple[Path, Path]:
    """A key and its own certificate in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    begin = datetime.datetime(2026, 1, 1)
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), 1, begin)
    certificate = builder.not_valid_after(begin + datetime.timedelta(90)).sign(key, hashes.SHA256())
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password:
        encryption = serialization.BestAvailableEncryption(password)
    key_file, cert_file = folder / f"{name}.key", folder / f"{name}.pem"
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    )
    key_file.chmod(0o440)
    cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return key_file, cert_file


def faults(**tls: object) -> list[str]:
    """What is wrong with these TLS files of smtps."""
    options = "".join(f'{name} = "{value}"; ' for name, value in tls.items())
    config = parse_config(f"smtps {{ listen_socket {{ }} tls {{ {options} }} }}".encode())
    return [str(each) for each in check_files(config)]


def test_good_files(tmp_path: Path) -> None:
    """A key of mode 0440 with its certificate, authority and directory is fine."""
    key, certificate = make_pair(tmp_path, "a")
    assert not faults(
        key_file=key, cert_file=certificate, CAcert_file=certificate, CAcert_directory=tmp_path
    )


@pytest.mark.parametrize("mode", [0o444, 0o660, 0o604, 0o644, 0o777])
def test_a_key_that_others_can_get_at_is_refused(tmp_path: Path, mode: int) -> None:
    """The mending command is part of the message."""
    key, certificate = make_pair(tmp_path, "a")
    key.chmod(mode)
    (fault,) = faults(key_file=key, cert_file=certificate)
    assert f"has mode {mode:04o}" in fault
    assert f"chmod 0440 {key}" in fault


@pytest.mark.parametrize("mode", [0o400, 0o440, 0o600, 0o640])
def test_modes_that_are_fine(tmp_path: Path, mode: int) -> None:
    """The owner may write, the group may read."""
    key, _ = make_pair(tmp_path, "a")
    key.chmod(mode)
    assert check_private_key(key) is None


def test_key_of_another_certificate(tmp_path: Path) -> None:
    """A certificate and a key that do not belong together."""
    key, _ = make_pair(tmp_path, "a")
    _, certificate = make_pair(tmp_path, "b")
    (fault,) = faults(key_file=key, cert_file=certificate)
    assert "do not work" in fault


def test_encrypted_key(tmp_path: Path) -> None:
    """Nobody is there to type a password: the key is refused, and no prompt hangs the start."""
    key, certificate = make_pair(tmp_path, "a", b"secret")
    (fault,) = faults(key_file=key, cert_file=certificate)
    assert "expected a PEM key without password" in fault


def test_files_that_are_missing(tmp_path: Path) -> None:
    """Each missing file is a fault at its own option."""
    found = faults(
        key_file=tmp_path / "k", cert_file=tmp_path / "c", CAcert_file=tmp_path / "a",
        CAcert_directory=tmp_path / "d",
    )  # fmt: skip
    assert len(found) == 4


def test_authority_that_is_none(tmp_path: Path) -> None:
    """A CA file without certificates."""
    key, certificate = make_pair(tmp_path, "a")
    (tmp_path / "ca").write_text("hello")
    (fault,) = faults(key_file=key, cert_file=certificate, CAcert_file=tmp_path / "ca")
    assert "expected certificates in PEM format" in fault


def test_program_and_user() -> None:
    """A path that is no program and a user that does not exist."""
    config = parse_config(b'qmgr { path = "/etc/passwd"; user = nobodyatall; }')
    found = [str(each) for each in check_files(config)]
    assert "/etc/passwd is not a program" in found[0]
    assert "there is no user 'nobodyatall'" in found[1]

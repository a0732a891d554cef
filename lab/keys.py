"""A lab's own SSH keys, made before its machine first starts: so the host key is known from the beginning."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

MACHINE = "mail.lab.example"
"""Name under which a lab's host key is pinned."""


def ensure_keys(folder: Path) -> None:
    """Make `key` and `host_key` (OpenSSH format, 0600), their `.pub` and `known_hosts`, where they are missing."""
    for name, comment in (("key", "lab"), ("host_key", MACHINE)):
        if not (folder / f"{name}.pub").exists():
            _make_key(folder / name, comment)
    host_key = (folder / "host_key.pub").read_text()
    known = folder / "known_hosts"
    if not known.exists():
        known.write_text(f"{MACHINE} {host_key}")


def _make_key(path: Path, comment: str) -> None:
    key = Ed25519PrivateKey.generate()
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(secret)
    path.with_suffix(".pub").write_text(
        f"{public.decode()} {comment}\n"
    )  # last: its presence means both are whole

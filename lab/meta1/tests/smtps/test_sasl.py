"""AUTH by libsasl2 against a real sasldb2, in a process of its own for each database."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import subprocess
import sys
from pathlib import Path

import pytest

from meta1.sasl import (
    Authenticated,
    Challenge,
    NotAuthenticated,
    Sasl,
    SaslUnusable,
    Step,
    _load,
    offered,
)

HOST = "mail.lab.example"
ALICE = f"alice@{HOST}"


@pytest.fixture(scope="module")
def sasl(tmp_path_factory: pytest.TempPathFactory) -> Sasl:
    """libsasl2 with one user, alice, whose secret is `secret`."""
    path = tmp_path_factory.mktemp("sasl") / "sasldb2"
    subprocess.run(
        ["saslpasswd2", "-p", "-c", "-f", str(path), "-u", HOST, "alice"],
        input=b"secret",
        check=True,
    )
    return Sasl(HOST, sasldb=str(path))


def cram_response(challenge: bytes, user: str, secret: str) -> bytes:
    """Answer a CRAM-MD5 challenge."""
    digest = hmac.new(secret.encode(), challenge, hashlib.md5).hexdigest()
    return f"{user} {digest}".encode()


def cram(sasl: Sasl, user: str, secret: str) -> Step:
    """Do a whole CRAM-MD5 exchange."""
    exchange = sasl.begin(secure=False)
    try:
        challenge = exchange.start("CRAM-MD5", None)
        assert isinstance(challenge, Challenge)
        return exchange.step(cram_response(challenge.data, user, secret))
    finally:
        exchange.dispose()
        exchange.dispose()


def test_cram_md5(sasl: Sasl) -> None:
    """The right secret authenticates; a wrong one and an unknown user do not."""
    assert cram(sasl, "alice", "secret") == Authenticated(ALICE)
    assert cram(sasl, "alice", "wrong") == NotAuthenticated("wrong secret")
    assert cram(sasl, "nobody", "secret") == NotAuthenticated("no such user")


def test_challenges_differ(sasl: Sasl) -> None:
    """No challenge comes twice, so that no answer can be replayed."""
    seen = set()
    for _ in range(20):
        exchange = sasl.begin(secure=False)
        step = exchange.start("CRAM-MD5", None)
        assert isinstance(step, Challenge)
        seen.add(step.data)
        exchange.dispose()
    assert len(seen) == 20


def scram(sasl: Sasl, user: str, secret: str) -> Step:
    """Do a whole SCRAM-SHA-256 exchange (RFC 7677), checking the server's proof."""
    exchange = sasl.begin(secure=True)
    bare = f"n={user},r=clientnonce"
    first = exchange.start("SCRAM-SHA-256", b"n,," + bare.encode())
    if not isinstance(first, Challenge):
        return first
    fields = dict(part.split("=", 1) for part in first.data.decode().split(","))
    salt = base64.b64decode(fields["s"])
    salted = hashlib.pbkdf2_hmac("sha256", secret.encode(), salt, int(fields["i"]))
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    final = f"c=biws,r={fields['r']}"
    message = f"{bare},{first.data.decode()},{final}".encode()
    signature = hmac.digest(hashlib.sha256(client_key).digest(), message, "sha256")
    proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
    second = exchange.step(f"{final},p={base64.b64encode(proof).decode()}".encode())
    if not isinstance(second, Challenge):
        return second
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    expected = base64.b64encode(hmac.digest(server_key, message, "sha256"))
    assert second.data == b"v=" + expected
    return exchange.step(b"")


def test_scram_sha_256(sasl: Sasl) -> None:
    """SCRAM works from the same database, and proves the server to the client."""
    assert scram(sasl, "alice", "secret") == Authenticated(ALICE)
    assert isinstance(scram(sasl, "alice", "wrong"), NotAuthenticated)
    assert isinstance(scram(sasl, "nobody", "secret"), NotAuthenticated)


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_plaintext_needs_tls(sasl: Sasl, mechanism: str) -> None:
    """The library itself refuses plaintext mechanisms outside TLS."""
    exchange = sasl.begin(secure=False)
    assert isinstance(exchange.start(mechanism, b"\0alice\0secret"), NotAuthenticated)


def test_plain_in_tls(sasl: Sasl) -> None:
    """Inside TLS PLAIN works; acting for another user does not."""
    assert sasl.begin(secure=True).start("PLAIN", b"\0alice\0secret") == Authenticated(ALICE)
    assert isinstance(sasl.begin(secure=True).start("PLAIN", b"\0alice\0no"), NotAuthenticated)
    other = sasl.begin(secure=True).start("PLAIN", b"bob\0alice\0secret")
    assert isinstance(other, NotAuthenticated)


def test_login_in_tls(sasl: Sasl) -> None:
    """LOGIN asks for name and password in turn."""
    exchange = sasl.begin(secure=True)
    assert isinstance(exchange.start("LOGIN", None), Challenge)
    assert isinstance(exchange.step(b"alice"), Challenge)
    assert exchange.step(b"secret") == Authenticated(ALICE)


def test_garbage(sasl: Sasl) -> None:
    """No response crashes the library or authenticates."""
    for mechanism in ("CRAM-MD5", "SCRAM-SHA-256", "PLAIN", "LOGIN", "NOSUCH"):
        for data in (b"", b"\0", b"x" * 9000, b"\xff" * 100, b"a b c", b",,,,", b"n,,n=,r="):
            exchange = sasl.begin(secure=True)
            step = exchange.start(mechanism, data)
            for _ in range(3):
                if not isinstance(step, Challenge):
                    break
                step = exchange.step(data)
            assert not isinstance(step, Authenticated)
            exchange.dispose()


def test_installed(sasl: Sasl) -> None:
    """The plug-ins of the machine are listed."""
    assert {"CRAM-MD5", "SCRAM-SHA-256", "PLAIN", "LOGIN"} <= set(sasl.installed())
    assert "ANONYMOUS" not in sasl.installed()


def test_what_is_offered() -> None:
    """Plaintext only in TLS and only if allowed; nothing that is not installed."""
    wanted = ("CRAM-MD5", "PLAIN", "GSSAPI")
    have = ("PLAIN", "CRAM-MD5", "LOGIN")
    assert offered(wanted, have, plaintext=True, only_tls=False) == (
        ("CRAM-MD5",),
        ("CRAM-MD5", "PLAIN"),
    )
    assert offered(wanted, have, plaintext=False, only_tls=False) == (("CRAM-MD5",), ("CRAM-MD5",))
    assert offered(wanted, have, plaintext=True, only_tls=True) == ((), ("CRAM-MD5", "PLAIN"))


def test_realm_of_the_system_database(tmp_path: Path) -> None:
    """Another realm finds its own users: tried in a new process, as the library starts once."""
    path = tmp_path / "sasldb2"
    subprocess.run(
        ["saslpasswd2", "-p", "-c", "-f", str(path), "-u", "lab.example", "bob"],
        input=b"pw", check=True,
    )  # fmt: skip
    code = (
        "import sys; from meta1.sasl import Sasl;"
        f"s = Sasl('{HOST}', sys.argv[2] or None, sys.argv[1]);"
        "print(s.begin(secure=True).start('PLAIN', b'\\0bob\\0pw'))"
    )

    def run(realm: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", code, str(path), realm],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout

    assert "Authenticated(identity='bob" in run("lab.example")
    assert "NotAuthenticated" in run("")


def test_library_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the library the reason is told."""

    def no_library(name: str) -> None:
        raise OSError("no such library")

    monkeypatch.setattr("meta1.sasl.ctypes.CDLL", no_library)
    with pytest.raises(SaslUnusable):
        _load()

"""What the lab's authority signs holds in a TLS handshake, both ways."""

from __future__ import annotations

import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lab import pki
from lab.pki.fields import KeyKind


@pytest.fixture(scope="module")
def authority() -> pki.Authority:
    """One authority for the tests that don't change it."""
    return pki.Authority.create("Lab CA")


def tls_context(
    side: ssl.Purpose, own: pki.Issued, trusted: pki.Authority, folder: Path
) -> ssl.SSLContext:
    """Make a context that shows ``own`` and demands a certificate of ``trusted``, strictly."""
    context = ssl.create_default_context(side, cadata=trusted.cert_pem.decode())
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    both = folder / f"{own.certificate.serial_number}.pem"
    both.write_bytes(own.cert_pem + own.key_pem)
    context.load_cert_chain(both)
    return context


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext) -> str:
    """Let the two talk over loopback; give the client's common name as the server sees it."""

    def serve(listener: socket.socket) -> str:
        connection, _ = listener.accept()
        with server.wrap_socket(connection, server_side=True) as stream:
            stream.sendall(b"220 ready\r\n")
            subject = stream.getpeercert()["subject"]  # type: ignore[index]
            return str(dict(part for rdn in subject for part in rdn)["commonName"])  # type: ignore[misc]

    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
        listener.settimeout(5)
        answer = pool.submit(serve, listener)
        with (
            socket.create_connection(listener.getsockname(), timeout=5) as raw,
            client.wrap_socket(raw, server_hostname="mail.lab.example") as stream,
        ):
            assert stream.recv(100) == b"220 ready\r\n"
        return answer.result(timeout=5)


@pytest.mark.parametrize("kind", ["ecdsa", "rsa"])
def test_handshake_both_ways(tmp_path: Path, authority: pki.Authority, kind: KeyKind) -> None:
    """Python's ssl, strict, takes the server's certificate and the client's."""
    host = authority.issue_server("mail.lab.example", key_kind=kind)
    person = authority.issue_client("Darth Mail", key_kind=kind)
    server = tls_context(ssl.Purpose.CLIENT_AUTH, host, authority, tmp_path)
    client = tls_context(ssl.Purpose.SERVER_AUTH, person, authority, tmp_path)
    assert shake_hands(server, client) == "Darth Mail"


def test_handshake_with_a_stranger_fails(tmp_path: Path, authority: pki.Authority) -> None:
    """A server signed by an authority of the same name is refused by the client."""
    stranger = pki.Authority.create("Lab CA")
    host = stranger.issue_server("mail.lab.example")
    server = tls_context(ssl.Purpose.CLIENT_AUTH, host, stranger, tmp_path)
    client = tls_context(ssl.Purpose.SERVER_AUTH, host, authority, tmp_path)
    with pytest.raises(ssl.SSLError):
        shake_hands(server, client)

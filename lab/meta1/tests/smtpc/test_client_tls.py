"""STARTTLS of smtpc: used when offered, checked when wanted, done without when allowed."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

import pytest
from bench import MAIL, Bench, one_message, over_tcp
from servers import Manners, Server

from meta1.messages import NextHop
from meta1.queue.envelope import Outcome
from meta1.smtpc_terms import Patience, Terms
from meta1.tls import client_context


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for localhost, signed by itself."""
    directory = tmp_path_factory.mktemp("pki")
    key, cert = directory / "key.pem", directory / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-keyout", str(key), "-out", str(cert), "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost"],
        check=True, capture_output=True,
    )  # fmt: skip
    return key, cert


def server_tls(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    """The context of the test server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate[1], certificate[0])
    return context


def terms(context: ssl.SSLContext | None, **more: bool) -> Terms:
    """Terms with TLS."""
    return Terms("client.test", Patience(reply=2, connect=2), context, **more)  # type: ignore


def test_tls_is_used_when_offered(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    """Any certificate will do; EHLO is said again inside."""
    manners = Manners(tls=server_tls(certificate))
    server = over_tcp(tmp_path, manners, one_message, terms(client_context(None)))
    assert server.mails[0].content == MAIL
    assert [one.split()[0] for one in server.commands][:3] == ["EHLO", "STARTTLS", "EHLO"]


def test_verify(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    """With `verify` an unknown certificate or none at all keeps the mail here."""
    strict = ssl.create_default_context()

    async def waits(bench: Bench, server: Server, hop: NextHop) -> None:
        await one_message(bench, server, hop)
        assert bench.outcomes == [[Outcome.RETRY] * 2] and not server.mails

    over_tcp(tmp_path, Manners(tls=server_tls(certificate)), waits, terms(strict, must_verify=True))
    over_tcp(tmp_path, Manners(), waits, terms(strict, must_verify=True))
    known = ssl.create_default_context(cafile=str(certificate[1]))
    manners = Manners(tls=server_tls(certificate))
    assert over_tcp(tmp_path, manners, one_message, terms(known, must_verify=True)).mails


def test_fallback(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    """With `fallback` a failed handshake is followed by a connection without TLS."""
    context = server_tls(certificate)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    only13 = client_context(None)
    only13.minimum_version = ssl.TLSVersion.TLSv1_3

    async def fails(bench: Bench, server: Server, hop: NextHop) -> None:
        await one_message(bench, server, hop)
        assert bench.outcomes == [[Outcome.RETRY] * 2]

    over_tcp(tmp_path, Manners(tls=context), fails, terms(only13))
    server = over_tcp(
        tmp_path, Manners(tls=context), one_message, terms(only13, may_fall_back=True)
    )
    assert server.mails and server.commands.count("STARTTLS") == 1


def test_tls_refused_goes_on_in_clear(tmp_path: Path) -> None:
    """A server that offers STARTTLS and then does not want it gets the mail without."""
    manners = Manners(
        keywords=["PIPELINING", "STARTTLS"], replies={"STARTTLS": "454 4.7.0 not now"}
    )
    assert over_tcp(tmp_path, manners, one_message, terms(client_context(None))).mails

"""The picture of a chain says who signed whom, the same on any day."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree

import pytest

from lab import pki
from lab.errors import LabError

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def authority() -> pki.Authority:
    """One authority for the tests that don't change it."""
    return pki.Authority.create("Lab CA")


def test_chain_dot_says_who_signed_whom(authority: pki.Authority) -> None:
    """Edges follow the signatures, in any order of the certificates."""
    leaf = authority.issue_server("mail.lab.example").certificate
    text = pki.chain_dot([leaf, authority.certificate])
    assert re.findall(r"(\w+) -> (\w+);", text) == [("c1", "c0"), ("c1", "c1")]
    assert "CN = mail.lab.example\\nvalid for 90 days\\nECDSA P-256, server and client" in text
    assert "CN = Lab CA\\nvalid for 90 days\\nECDSA P-256, authority" in text


def test_chain_dot_is_the_same_another_day() -> None:
    """The text depends on no date until something has expired."""

    def drawn(now: datetime, later: timedelta) -> str:
        authority = pki.Authority.create("Lab CA", now=now)
        leaf = authority.issue_client("me", now=now).certificate
        return pki.chain_dot([authority.certificate, leaf], now=now + later)

    day = timedelta(days=1)
    assert drawn(NOON, day) == drawn(NOON + 1000 * day, 89 * day)
    assert drawn(NOON, 91 * day).count("90 days, expired") == 2


def test_chain_dot_shows_a_missing_issuer(authority: pki.Authority) -> None:
    """A certificate of an authority not given hangs on a dashed box."""
    text = pki.chain_dot([authority.issue_client("me").certificate])
    assert (
        'u0 [style="filled,dashed", label="O = MeTA1 lab\\nCN = Lab CA\\nnot among these"]' in text
    )
    assert "u0 -> c0;" in text


def test_chain_picture_is_svg() -> None:
    """Graphviz draws any name, and its version is not part of the picture."""
    odd = pki.Authority.create('A&amp;B "quoted" back\\slash <Größe>')
    rsa_leaf = odd.issue_client("me", key_kind="rsa").certificate
    svg = pki.chain_picture([odd.certificate, rsa_leaf])
    texts = [element.text for element in ElementTree.fromstring(svg).iter() if element.text]
    assert 'CN = A&amp;B "quoted" back\\slash <Größe>' in texts
    assert "RSA 2048, client" in texts
    assert svg.startswith('<svg role="img" aria-label=')
    assert "Generated" not in svg


def test_chain_picture_without_graphviz(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, authority: pki.Authority
) -> None:
    """Without the program the error says which package has it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LabError, match="apt-get install graphviz"):
        pki.chain_picture([authority.certificate])

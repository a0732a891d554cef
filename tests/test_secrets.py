"""Nothing secret is in git: neither in a notebook's output nor in any other file."""

from __future__ import annotations

import re
from pathlib import Path

import checkout
import pytest
from detect_secrets.core.scan import scan_file
from detect_secrets.settings import transient_settings

ROOT = Path(__file__).resolve().parent.parent
DETECTORS = (
    "PrivateKeyDetector",
    "AWSKeyDetector",
    "GitHubTokenDetector",
    "BasicAuthDetector",
    "JwtTokenDetector",
    "SlackDetector",
    "NpmDetector",
    "PypiTokenDetector",
)
# Tests that need something that looks like a secret say so here.
KNOWN = {"tests/test_secrets.py"}
# An address of this host or a home folder in an output would tell where it was made.
PRIVATE = re.compile(
    r"/home/(?!lab\b)\w+/|/root/\.|\b(?:10|192\.168|172\.(?:1[6-9]|2\d|3[01]))\.\d+\.\d+"
)


def secrets_in(*paths: Path) -> list[str]:
    """What detect-secrets finds in files."""
    with transient_settings({"plugins_used": [{"name": name} for name in DETECTORS]}):
        return [
            f"{path.name}:{found.line_number}: {found.type}"
            for path in paths
            for found in scan_file(str(path))
        ]


def test_no_secret_in_any_file() -> None:
    """Keys, tokens and passwords stay on the machines."""
    paths = [
        p
        for p in checkout.files(ROOT)
        if str(p.relative_to(ROOT)) not in KNOWN and p.suffix not in {".woff2", ".png"}
    ]
    assert len(paths) > 50
    assert secrets_in(*paths) == []


@pytest.mark.parametrize("path", checkout.files(ROOT, "*.ipynb"), ids=lambda p: p.stem)
def test_no_private_place_in_an_output(path: Path) -> None:
    """A notebook's outputs do not tell on whose computer they were made."""
    assert PRIVATE.findall(path.read_text()) == []


@pytest.mark.parametrize(
    "secret",
    [
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN OPENSSH PRIVATE KEY-----",
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_" + "a1B2" * 9,
        "https://user:hunter2pass@host.example/",
    ],
)
def test_the_scan_finds_what_it_should(tmp_path: Path, secret: str) -> None:
    """A scan that cannot fail proves nothing."""
    page = tmp_path / "page.ipynb"
    page.write_text(f'{{"cells": [{{"outputs": [{{"text": "{secret}"}}]}}]}}\n')
    assert secrets_in(page) != []

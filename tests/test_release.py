"""The release of a lab: made from the checkout or given by the user, signed, refused where nothing vouches for it."""

from __future__ import annotations

import hashlib
import io
import os
import re
import subprocess
import tarfile
from pathlib import Path

import pytest

from lab import config, release
from lab.errors import LabError
from lab.release import OURS, PUBLISHED, UPSTREAM, USER_ID, VOUCHED, release_in

KNOWN = "meta1-1.1.Alpha16.0.tar.gz"


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No tarball of the developer's own."""
    monkeypatch.setattr(config, "settings", dict)
    for name in ("TARBALL", "SHA256", "KEY"):
        monkeypatch.delenv(f"META1_{name}", raising=False)
    release.identity.cache_clear()


def verify(found: release.Release, folder: Path) -> subprocess.CompletedProcess[str]:
    """What gpgv says, with that release's key as the only one it trusts."""
    for name, content in (
        ("t", found.tarball),
        ("t.sig", found.signature),
        ("key.asc", found.key),
    ):
        (folder / name).write_bytes(content)
    script = "gpg --dearmor < key.asc > key.gpg && gpgv --keyring ./key.gpg t.sig t"
    home = {"GNUPGHOME": str(folder), "LC_ALL": "C.UTF-8"}
    return subprocess.run(
        ["sh", "-c", script], cwd=folder, env=os.environ | home, capture_output=True, text=True
    )


def test_is_signed_with_the_key_it_names(tmp_path: Path) -> None:
    """The signature is good, by that fingerprint, and a changed tarball is refused."""
    found = release_in(tmp_path / "lab")
    said = verify(found, tmp_path).stderr
    assert f'Good signature from "{USER_ID}"' in said
    assert found.fingerprint in said
    (tmp_path / "t").write_bytes(b"\0" + found.tarball[1:])
    command = ["gpgv", "--keyring", "./key.gpg", "t.sig", "t"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode != 0


def test_same_tarball_and_key_each_time(tmp_path: Path) -> None:
    """One key a lab, another one for another lab, and the same bytes for both."""
    first, again, other = (release_in(tmp_path / name) for name in ("a", "a", "b"))
    assert first.tarball == again.tarball == other.tarball
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert release.identity() == f"{first.name} {first.sha256}"


def test_leaves_no_agent_and_no_open_folder(tmp_path: Path) -> None:
    """The key's folder is for its owner alone, its path may be long, and gpg-agent has gone."""
    folder = tmp_path / ("long" * 30)
    release_in(folder)
    assert (folder / "release").stat().st_mode & 0o777 == 0o700
    assert not list((folder / "release").glob("S.*"))


def test_holds_only_what_belongs_to_a_release() -> None:
    """The tree as `make dist` would pack it: nothing that tools left behind, and nothing is written to it."""
    before = set(release._tree().rglob("*.tar.gz"))
    name, origin, content = release._made()
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        names = tar.getnames()
    folder = name.removesuffix(".tar.gz")
    assert origin == OURS
    assert {f"{folder}/configure", f"{folder}/doc/README.txt"} <= set(names)
    assert not [
        each for each in names if "__pycache__" in each or "/." in each or "/build/" in each
    ]
    assert set(release._tree().rglob("*.tar.gz")) == before


def test_knows_only_whole_entries() -> None:
    """Size and SHA-256 for each published release, none twice."""
    sums = [sha256 for _, sha256 in PUBLISHED.values()]
    assert all(len(bytes.fromhex(each)) == 32 for each in sums)
    assert len(set(sums)) == len(sums)
    assert all(size > 5_000_000 for size, _ in PUBLISHED.values())


def test_the_page_names_what_the_lab_accepts() -> None:
    """The table of chapter 4 has the same releases, sizes and checksums."""
    page = (config.ROOT / "notebooks" / "04-getting-meta1.ipynb").read_text()
    rows = re.findall(r"\| `(meta1-\S+)` \| (\d+) \| .+? \| `([0-9a-f]{64})` \|", page)
    assert {name: (int(size), sha256) for name, size, sha256 in rows} == PUBLISHED


def test_takes_what_was_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tarball with the published size and SHA-256 is upstream's; the lab signs what it has checked."""
    content = b"as published"
    known = {KNOWN: (len(content), hashlib.sha256(content).hexdigest())}
    monkeypatch.setattr(release, "PUBLISHED", known)
    (tmp_path / KNOWN).write_bytes(content)
    monkeypatch.setattr(config, "settings", lambda: {"meta1": {"tarball": str(tmp_path / KNOWN)}})
    found = release_in(tmp_path / "lab")
    assert (found.name, found.origin, found.tarball) == (KNOWN, UPSTREAM, content)
    assert verify(found, tmp_path).returncode == 0
    assert release.identity() == f"{KNOWN} {found.sha256}"


def test_refuses_what_was_not_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name of a release with other bytes is refused, even if the user vouches for them."""
    (tmp_path / KNOWN).write_bytes(b"something else")
    monkeypatch.setenv("META1_TARBALL", str(tmp_path / KNOWN))
    monkeypatch.setenv("META1_SHA256", hashlib.sha256(b"something else").hexdigest())
    with pytest.raises(LabError, match="is not what was published: 14 bytes"):
        release_in(tmp_path)


def test_unknown_tarball_needs_a_checksum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused without one, and with a wrong one; taken with the right one. The environment wins."""
    path = tmp_path / "meta1-9.9.tar.gz"
    path.write_bytes(b"new")
    monkeypatch.setattr(config, "settings", lambda: {"meta1": {"tarball": "/nowhere"}})
    monkeypatch.setenv("META1_TARBALL", str(path))
    with pytest.raises(LabError, match="nothing is known of meta1-9") as failed:
        release_in(tmp_path)
    assert "META1_SHA256" in failed.value.next_step
    monkeypatch.setenv("META1_SHA256", "0" * 64)
    with pytest.raises(LabError, match=r"has the SHA-256 .*, not 0000"):
        release_in(tmp_path)
    monkeypatch.setenv("META1_SHA256", hashlib.sha256(b"new").hexdigest().upper())
    assert release_in(tmp_path).origin == VOUCHED


def test_uses_a_signature_that_lies_beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the key that made it: then the lab has nothing to sign."""
    theirs = release_in(tmp_path / "theirs")
    path = tmp_path / theirs.name
    path.write_bytes(theirs.tarball)
    path.with_name(f"{path.name}.sig").write_bytes(theirs.signature)
    (tmp_path / "key").write_bytes(theirs.key)
    monkeypatch.setenv("META1_TARBALL", str(path))
    monkeypatch.setenv("META1_SHA256", theirs.sha256)
    monkeypatch.setenv("META1_KEY", str(tmp_path / "key"))
    found = release_in(tmp_path / "ours")
    assert found.fingerprint == theirs.fingerprint
    assert found.signature == theirs.signature
    assert not (tmp_path / "ours").exists()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"meta1": {"tarball": "/nowhere/x.tar.gz"}}, "/nowhere/x.tar.gz: No such file"),
        ({"meta1": "x.tar.gz"}, "meta1 is no section"),
    ],
)
def test_settings_that_do_not_work(
    settings: dict[str, object], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Said in one line, with what to do."""
    monkeypatch.setattr(config, "settings", lambda: settings)
    with pytest.raises(LabError, match=says) as failed:
        release_in(tmp_path)
    assert failed.value.next_step

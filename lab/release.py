"""The release that a trainee gets: a tarball, a signature, and the key it was made with.

By default the tarball is made from `lab/meta1` of this checkout, the same bytes each time, and signed with a key of
this lab. Whoever has a tarball of upstream's names it in ``lab.toml``; it is held against what was published.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lab import config
from lab.errors import LabError
from lab.host import Host

USER_ID = "MeTA1 lab release <release@lab.example>"
HOME = "/home/lab"
KEY = "release-key.asc"
"""Name of the public key on the machine."""
OURS = "our own implementation, from lab/meta1 of this checkout"
UPSTREAM = "upstream's MeTA1, its SHA-256 as published"
VOUCHED = "a tarball of yours, its SHA-256 as you gave it"
# Releases whose checksums were published with the FreeBSD port mail/meta1: size in bytes, SHA-256.
PUBLISHED = {
    "meta1-1.1.Alpha2.0.tar.gz": (
        5071532,
        "5da6f7d5cd89f4fdb70a3a695f096627269e5213d423573c1fa79e713ebfcdbb",
    ),
    "meta1-1.1.Alpha11.0.tar.gz": (
        5221055,
        "fefc59c2e35707c09e5c9797b5e2d6c534aa06d8be9b71e1c3f8d7be5ed3ae2c",
    ),
    "meta1-1.1.Alpha15.2.tar.gz": (
        5262695,
        "e8ccb9568af2016fd48ccde0a552070a5e95d63b32c4355470d43890396b2776",
    ),
    "meta1-1.1.Alpha16.0.tar.gz": (
        5289681,
        "c0b5010eb52fec56d945c48ff1841d78a25615339b163c4c1d7f76ab32b5e18f",
    ),
}


@dataclass(frozen=True, slots=True)
class Release:
    """A tarball with its detached signature, and the public key that made it. `fingerprint` is that key's."""

    name: str
    origin: str
    fingerprint: str
    tarball: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    key: bytes = field(repr=False)

    @classmethod
    def of(cls, vm: Host) -> Release:
        """The release for the lab that a machine belongs to. Raises `LabError` if it is not to be trusted."""
        # A lab's own folder is where its SSH key lies.
        return release_in(vm.endpoint.key_file.parent)

    @property
    def sha256(self) -> str:
        """The tarball's checksum."""
        return hashlib.sha256(self.tarball).hexdigest()

    def put(self, vm: Host) -> None:
        """Put tarball, signature and key into the home of the user lab, in place of any others."""
        vm.run("rm -f meta1-*.tar.gz meta1-*.tar.gz.sig")
        files = {self.name: self.tarball, f"{self.name}.sig": self.signature, KEY: self.key}
        for name, content in files.items():
            vm.put(content, f"{HOME}/{name}", owner="lab", group="lab")


@cache
def identity() -> str:
    """Name and SHA-256 of the tarball that a trainee would get: what makes the end of the chapter that brings it."""
    name, _, tarball = _tarball()
    return f"{name} {hashlib.sha256(tarball).hexdigest()}"


def origin_of(name: str, content: bytes, sha256: str = "") -> str:
    """Where a tarball comes from, as its checksum proves. Raises `LabError` where nothing does."""
    found = hashlib.sha256(content).hexdigest()
    if name in PUBLISHED:
        size, expected = PUBLISHED[name]
        if (len(content), found) != (size, expected):
            raise LabError(
                f"{name} is not what was published: {len(content)} bytes with SHA-256 {found[:8]}..., "
                f"and not {size} with {expected[:8]}...",
                "get it again, and do not build this one",
            )
        return UPSTREAM
    if not sha256:
        raise LabError(
            f"nothing is known of {name}, whose SHA-256 is {found}",
            "if you know from elsewhere that this is right: META1_SHA256, or sha256 below [meta1] in lab.toml",
        )
    if found != sha256.lower():
        raise LabError(
            f"{name} has the SHA-256 {found}, not {sha256}",
            "get it again, and do not build this one",
        )
    return VOUCHED


def release_in(folder: Path) -> Release:
    """The release signed with the key in a lab's folder, which is made if it is missing."""
    name, origin, tarball = _tarball()
    given = _given("key")
    signature = _path(_given("tarball")).with_name(f"{name}.sig") if _given("tarball") else None
    if given and signature and signature.exists():
        key = _read(_path(given))
        return Release(name, origin, _fingerprint_of(key), tarball, signature.read_bytes(), key)
    home = folder / "release"
    with _signer(home) as gnupg, TemporaryDirectory() as top:
        fingerprint = _fingerprint(_call(["gpg", "--list-keys", "--with-colons"], gnupg))
        path = Path(top) / name
        path.write_bytes(tarball)
        _call(["sh", str(_tree() / "misc" / "sign.sh"), str(path), "gpg", fingerprint], gnupg)
        signed = path.with_name(f"{name}.sig").read_bytes()
        key = _call(["gpg", "--armor", "--export", fingerprint], gnupg)
    return Release(name, origin, fingerprint, tarball, signed, key)


# -- the tarball ----------------------------------------------------------------------------------


def _tarball() -> tuple[str, str, bytes]:
    """Name, origin and bytes."""
    if given := _given("tarball"):
        path = _path(given)
        content = _read(path)
        return path.name, origin_of(path.name, content, _given("sha256")), content
    return _made()


def _made() -> tuple[str, str, bytes]:
    """What `make dist` in lab/meta1 makes, without writing there."""
    tree = _tree()
    version = _word(tree / "src" / "meta1" / "__init__.py", r'^VERSION = "(.+)"$')
    day = _word(tree / "Makefile.in", r"^RELEASE_DAY = (.+)$")
    name = f"meta1-{version}"
    with TemporaryDirectory() as top:
        _call(["sh", "misc/dist.sh", name, day, top], {}, cwd=tree)
        return f"{name}.tar.gz", OURS, (Path(top) / f"{name}.tar.gz").read_bytes()


def _given(what: str) -> str:
    """A setting of the user's, empty if there is none: $META1_TARBALL, else ``tarball`` below ``[meta1]``."""
    table: Any = config.settings().get("meta1", {})
    if not isinstance(table, dict):
        raise LabError("lab.toml: meta1 is no section", '[meta1] and below it tarball = "/path"')
    return str(os.environ.get(f"META1_{what.upper()}") or table.get(what, ""))


def _path(given: str) -> Path:
    return config.ROOT / Path(given).expanduser()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise LabError(
            f"{path}: {error.strerror}", "mend the path below [meta1] in lab.toml, or META1_TARBALL"
        ) from error


def _tree() -> Path:
    return config.ROOT / "lab" / "meta1"


def _word(path: Path, pattern: str) -> str:
    found = re.search(pattern, path.read_text(), re.MULTILINE)
    if not found:
        raise LabError(f"{path} has no line like {pattern}", "git checkout lab/meta1")
    return found[1]


# -- the key --------------------------------------------------------------------------------------


@contextmanager
def _signer(home: Path) -> Iterator[dict[str, str]]:
    """The environment in which gpg has the lab's release key; afterwards no agent of it is left.

    gpg is told a short name of the folder: its agent's socket lies there, and may have 107 bytes.
    """
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock, TemporaryDirectory(prefix="gpg-", dir="/tmp") as top:
        fcntl.flock(lock, fcntl.LOCK_EX)
        short = Path(top) / "home"
        short.symlink_to(home)
        gnupg = {"GNUPGHOME": str(short)}
        try:
            if not _fingerprint(_call(["gpg", "--list-secret-keys", "--with-colons"], gnupg)):
                options = ["--batch", "--passphrase", "", "--quick-generate-key"]
                _call(["gpg", *options, USER_ID, "ed25519", "sign", "never"], gnupg)
            yield gnupg
        finally:
            _call(["gpgconf", "--kill", "all"], gnupg)


def _fingerprint_of(key: bytes) -> str:
    with TemporaryDirectory(prefix="gpg-", dir="/tmp") as top:
        command = ["gpg", "--show-keys", "--with-colons"]
        return _fingerprint(_call(command, {"GNUPGHOME": top}, input=key))


def _fingerprint(listing: bytes) -> str:
    """The first key's fingerprint in a listing with colons; empty if there is no key."""
    found = re.search(r"^fp\w:+([0-9A-F]{40}):", listing.decode(), re.MULTILINE)
    return found[1] if found else ""


def _call(
    argv: list[str], environment: dict[str, str], cwd: Path | None = None, input: bytes = b""
) -> bytes:
    try:
        done = subprocess.run(
            argv,
            env=os.environ | environment | {"LC_ALL": "C.UTF-8"},
            cwd=cwd,
            input=input,
            capture_output=True,
            timeout=60,
            check=False,
        )
    except FileNotFoundError as error:
        raise LabError(f"this host has no {argv[0]}", "make setup") from error
    except subprocess.TimeoutExpired as error:
        raise LabError(
            f"{' '.join(argv[:2])} did not end in {error.timeout:.0f} s", "try again"
        ) from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise LabError(f"{' '.join(argv[:2])} ended with {done.returncode}: {said}", "make setup")
    return done.stdout

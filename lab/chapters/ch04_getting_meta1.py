"""Chapter 4: the source of MeTA1, signed with the one key that we believe."""

from lab import check
from lab.chapters import Check
from lab.host import Host
from lab.release import HOME, Release, identity

MADE_OF = identity
LOOK = "gpg --batch --status-fd 1 --verify %s %s 2> /dev/null"


def _files_are_there(vm: Host) -> None:
    found = str(vm.run("ls meta1-*.tar.gz meta1-*.tar.gz.sig", check=False)).split()
    check.true("one tarball and its signature", len(found) == 2, f"ls {HOME}")
    check.equal("the signature's name", found[1], f"{found[0]}.sig")


def _key_is_the_right_one(vm: Host) -> None:
    """The keyring holds the lab's key and no other, so that a stranger's signature is none."""
    command = "gpg --batch --list-keys --with-colons 2> /dev/null | grep ^fp"
    found = vm.run(command, check=False).stdout.split()
    fingerprints = [line.split(":")[9] for line in found]
    check.equal("keys in the keyring", fingerprints, [Release.of(vm).fingerprint])


def _signature_is_good(vm: Host) -> None:
    """By the right key; and the same signature is bad for a tarball that lacks a byte."""
    name = str(vm.run("ls meta1-*.tar.gz", check=False))
    said = vm.run(LOOK, f"{name}.sig", name, check=False).stdout
    # At the beginning of a line: another line holds a name that the signer chose.
    by = f"[GNUPG:] VALIDSIG {Release.of(vm).fingerprint} "
    signed = any(line.startswith(by) for line in said.splitlines())
    check.true("signed by the key of the lab", signed)
    bad = vm.run(f"head --bytes=-1 %s | {LOOK}", name, f"{name}.sig", "-", check=False).stdout
    check.true("a shorter one is refused", "BADSIG" in bad)


def _trusts_one_key_only(vm: Host) -> None:
    """`gpgv` with the file of the exercise believes our signature, and not the stranger's."""
    command = "gpgv --keyring ./release.gpg %s %s"
    name = str(vm.run("ls meta1-*.tar.gz", check=False))
    ours = vm.run(command, f"{name}.sig", name, check=False)
    theirs = vm.run(command, f"forged/{name}.sig", f"forged/{name}", check=False)
    check.true("the release is good", ours.ok, "gpgv --keyring ./release.gpg")
    check.true("the stranger's is not", not theirs.ok)


CHECKS = (
    Check(
        "the tarball and its signature",
        _files_are_there,
        "release.put(vm) in the notebook brings both",
    ),
    Check(
        "the lab's release key in the keyring, and no other",
        _key_is_the_right_one,
        "compare fingerprints first; then gpg --import release-key.asc",
    ),
    Check(
        "a good signature by that key",
        _signature_is_good,
        "gpg --verify takes the signature first, then the tarball",
    ),
)
EXERCISE = ("gpgv believes the release key alone, by ~/release.gpg", _trusts_one_key_only)

"""Chapter 3: an authority of our own, what it signed, and who may read which key."""

from lab import check
from lab.chapters import Check
from lab.host import Host

FOLDER = "/etc/meta1/CA"
CA_FILE = f"{FOLDER}/cacert.pem"
# Numbers: the accounts meta1s and meta1c come in a later chapter.
OWNERS_AND_MODES = {
    FOLDER: "0:0 755",
    CA_FILE: "0:0 444",
    f"{FOLDER}/newcert.pem": "260:262 444",
    f"{FOLDER}/newreq.pem": "260:262 440",
}


def _authority_is_kept(vm: Host) -> None:
    """Its key is for one user, and its certificate is one that may sign."""
    check.file_is(vm, "/home/lab/ca", owner="lab", mode="0700")
    check.file_is(vm, "/home/lab/ca/cakey.pem", owner="lab", mode="0600")
    may = vm.run("openssl x509 -noout -ext basicConstraints -in ca/cacert.pem", check=False).stdout
    check.true("its certificate may sign others", "CA:TRUE" in may)


def _verifies(vm: Host, purpose: str, certificate: str, *options: str) -> bool:
    words = ["openssl", "verify", "-CAfile", CA_FILE, "-purpose", purpose, *options, certificate]
    return vm.run(" ".join(["%s"] * len(words)), *words, check=False).ok


def _mail_host_is_certified(vm: Host) -> None:
    """The certificate is good for both of MeTA1's roles, and the key beside it is its key."""
    certificate = f"{FOLDER}/newcert.pem"
    host = ("-verify_hostname", "mail.lab.example")
    check.true("a server's certificate", _verifies(vm, "sslserver", certificate, *host))
    check.true("a client's certificate", _verifies(vm, "sslclient", certificate))
    public = vm.run("openssl x509 -noout -pubkey -in %s", certificate, check=False).stdout
    key = f"{FOLDER}/newreq.pem"
    own = vm.run("openssl pkey -pubout -in %s", key, as_user="root", check=False).stdout
    check.true("newreq.pem holds its key", public and public == own)


def _owners_and_modes(vm: Host) -> None:
    for path, expected in OWNERS_AND_MODES.items():
        found = vm.run("stat --format '%%u:%%g %%a' %s", path, as_user="root", check=False)
        check.equal(path, str(found), expected)


def _authority_is_in_the_folder(vm: Host) -> None:
    """With the folder alone, so only a link of the right name helps."""
    command = "openssl verify -CApath %s -no-CAfile -no-CAstore %s"
    found = vm.run(command, FOLDER, f"{FOLDER}/newcert.pem", check=False)
    check.true("the authority is found by its hash", found.ok, f"ls -l {FOLDER}")


def _alice_is_a_client(vm: Host) -> None:
    check.true("alice is a client", _verifies(vm, "sslclient", "alice/cert.pem"))
    check.true("alice is no server", not _verifies(vm, "sslserver", "alice/cert.pem"))


def _bob_is_a_client(vm: Host) -> None:
    """A certificate of his own: his name and address in it, his key beside it, good for a client only."""
    check.true("bob is a client", _verifies(vm, "sslclient", "bob/cert.pem"))
    check.true("bob is no server", not _verifies(vm, "sslserver", "bob/cert.pem"))
    show = "openssl x509 -noout -subject -nameopt multiline -email -in bob/cert.pem"
    names = vm.run(show, check=False).stdout.split()
    check.true("it is in bob's name", {"bob", "bob@lab.example"} <= set(names), show)
    check.file_is(vm, "/home/lab/bob/key.pem", owner="lab", mode="0600")
    keys = ("openssl x509 -noout -pubkey -in bob/cert.pem", "openssl pkey -pubout -in bob/key.pem")
    publics = {vm.run(command, check=False).stdout for command in keys}
    check.true("the key is its key", len(publics) == 1 and all(publics))


def _stranger_is_refused(vm: Host) -> None:
    """It is there, and still does not pass: a missing file would be refused as well."""
    issuer = "openssl x509 -noout -issuer -nameopt oneline -in %s"
    names = {
        vm.run(issuer, name, check=False).stdout for name in ("alice/cert.pem", "stranger/cert.pem")
    }
    check.true("both alices name the same signer", len(names) == 1 and all(names))
    check.true("the stranger's is refused", not _verifies(vm, "sslclient", "stranger/cert.pem"))


def _cyrus_is_certified(vm: Host) -> None:
    connect = (
        "openssl s_client -verify_return_error -verify_hostname mail.lab.example "
        f"-CAfile {CA_FILE} -connect mail.lab.example:993 < /dev/null"
    )
    check.holds(vm, "Cyrus shows our authority's certificate", connect, timeout=5)


CHECKS = (
    Check(
        "an authority whose key only lab can read",
        _authority_is_kept,
        "make ~/ca with mode 0700 first; ca.cnf's part 'authority' makes a certificate that signs",
    ),
    Check(
        "a certificate for mail.lab.example, and its key",
        _mail_host_is_certified,
        "the host makes key and request into newreq.pem, the authority signs with 'mail_host'",
    ),
    Check(
        "owners and modes as the tutorial lists them",
        _owners_and_modes,
        "install has --owner, --group and --mode; 260 is meta1s, 262 is meta1c",
    ),
    Check(
        "the authority can be found in the folder by its hash",
        _authority_is_in_the_folder,
        "the link's name is what openssl x509 -noout -hash prints, and .0 behind it",
    ),
    Check(
        "a certificate for alice, good for a client only",
        _alice_is_a_client,
        "sign her request with ca.cnf's part 'person'",
    ),
    Check(
        "a certificate of a stranger, which is refused",
        _stranger_is_refused,
        "a second authority of the same name, in ~/stranger, signs for CN=alice",
    ),
    Check(
        "Cyrus shows a certificate of our authority",
        _cyrus_is_certified,
        "put the new certificate beside the old key in /etc/ssl/cyrus, and restart Cyrus",
    ),
)

EXERCISE = ("a certificate for bob, good for a client only", _bob_is_a_client)

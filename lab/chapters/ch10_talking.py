"""Chapter 10: MeTA1 has been talked to, which its log remembers, and nothing of the experiments is left."""

from lab import check
from lab.chapters import Check
from lab.host import Host

CONNECT = "openssl s_client -connect mail.lab.example:25 -starttls smtp"
OWN_CERTIFICATE = "/etc/meta1/CA/newcert.pem"


def _spoke_tls(vm: Host) -> None:
    """Both versions that are offered; Cyrus writes its TLS lines in another way."""
    for version in ("TLSv1.2", "TLSv1.3"):
        check.file_has(vm, check.LOG, f"starttls side=server version={version}")


def _all_is_in_its_place(vm: Host) -> None:
    """The alert of the tutorial was met, and the list that provoked it is gone."""
    check.file_has(vm, check.LOG, "sslv3 alert illegal parameter")
    names = f"{CONNECT} < /dev/null 2> /dev/null | grep '^O = '"
    check.says(vm, "acceptable authorities", names, "O = MeTA1 lab, CN = Lab CA")
    left = "find /etc/meta1/CA -name many.pem"
    check.says(vm, "files left from the experiment", left, "")


def _certificate_was_fetched(vm: Host) -> None:
    """One certificate and no other text, the same that is on the disk."""
    seen = vm.get("seen.pem").decode(errors="replace")
    check.true("it begins and ends as a certificate", _is_bare(seen), "openssl x509 > ~/seen.pem")
    fingerprint = "openssl x509 -noout -fingerprint -sha256 -in %s"
    own = vm.run(fingerprint, OWN_CERTIFICATE, check=False)
    found = vm.run(fingerprint, "seen.pem", check=False)
    check.equal("fingerprint", str(found), str(own))


def _is_bare(pem: str) -> bool:
    lines = pem.strip().splitlines()
    return (
        len(lines) > 2
        and lines[0] == "-----BEGIN CERTIFICATE-----"
        and lines[-1] == "-----END CERTIFICATE-----"
        and pem.count("BEGIN") == 1
    )


CHECKS = (
    Check(
        "somebody has talked TLS 1.2 and 1.3 with the server",
        _spoke_tls,
        "openssl s_client -starttls smtp, once with -tls1_2 and once with -tls1_3",
    ),
    Check(
        "an older TLS was refused",
        lambda vm: check.file_has(vm, check.LOG, "unsupported protocol"),
        "openssl s_client -starttls smtp -tls1_1 -cipher DEFAULT@SECLEVEL=0",
    ),
    Check(
        "too many authorities were tried, and the list is short again",
        _all_is_in_its_place,
        "put the book's meta1.conf back and reload: sudo systemctl reload meta1",
    ),
)
EXERCISE = ("the certificate that port 25 shows is in ~/seen.pem", _certificate_was_fetched)

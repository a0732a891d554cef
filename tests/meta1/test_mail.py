"""Mail by the programs people use arrives in the real Cyrus, and its owner reads it by IMAP; TLS and AUTH work."""

from __future__ import annotations

import base64
import re

import pytest

from lab.bench.foreign import unpack
from lab.host import Host
from meta1.conftest import quiet
from meta1.mailbox import read

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]  # the first test has the machine made
HOST = "mail.lab.example"
SWAKS = f"swaks --server {HOST} --from carol@partner.example"
FROM_FILE = '"$(cat ~/secrets/alice)"'
SEND = {
    "swaks": f"{SWAKS} --to alice@lab.example --header 'Subject: by swaks' --body 'Hello by swaks'",
    "swaks-tls": f"{SWAKS} --tls --to alice@lab.example --header 'Subject: by swaks-tls' --body 'Hello by swaks-tls'",
    "msmtp": (
        r"printf 'Subject: by msmtp\n\nHello by msmtp\n' | msmtp --host=mail.lab.example --port=25 --tls=on"
        " --tls-trust-file=/etc/meta1/CA/cacert.pem --from=carol@partner.example alice@lab.example"
    ),
    "smtplib": f"""python3 -c "
import smtplib
with smtplib.SMTP('{HOST}') as server:
    text = 'Subject: by smtplib\\r\\n\\r\\nHello by smtplib\\r\\n'
    server.sendmail('carol@partner.example', ['alice@lab.example'], text)" """,
}
TROUBLE = re.compile(
    r" (broken|trouble|map_failed|not_reloaded|module_waits|read_failed|starttls_failed) |Traceback"
)


@pytest.fixture(scope="module", autouse=True)
def log_begins(installed: Host) -> int:
    """Where the log of this module begins: MeTA1 starts anew."""
    installed.run("mcp.sh stop", as_user="root")
    lines = int(str(installed.run("wc -l < /var/log/mail.log")))
    installed.run("mcp.sh start", as_user="root")
    return lines


def test_the_banner_is_as_the_tutorial_shows_it(vm: Host) -> None:
    """The greeting names ESMTP and MeTA1; EHLO ends with HELP."""
    talk = vm.talk(25, echo=False)
    assert re.fullmatch(rf"220 {HOST} ESMTP MeTA1\.\S+", talk.expect("^220 "))
    talk.say("ehlo client.lab.example")
    offered = [talk.expect("^250[- ]")]
    while offered[-1].startswith("250-"):
        offered.append(talk.expect("^250[- ]"))
    assert offered[0] == f"250-{HOST} ESMTP Hi there"
    assert offered[-1] == "250 HELP"
    wanted = {
        "PIPELINING",
        "SIZE 67108864",
        "8BITMIME",
        "STARTTLS",
        "AUTH CRAM-MD5",
        "DSN",
        "ENHANCEDSTATUSCODES",
    }
    assert wanted <= {line[4:] for line in offered}
    talk.say("quit").expect("^221 ")
    talk.close()


def test_as_many_may_wait_as_the_socket_says(vm: Host) -> None:
    """`backlog` of listen_socket, 1024 where nothing is said, holds after smtps has taken the socket over."""
    assert vm.run("ss -Htln 'sport = :25'").stdout.split()[2] == "1024"


@pytest.mark.parametrize("program", SEND)
def test_mail_is_read_by_imap(vm: Host, program: str) -> None:
    """One message, whole, with our Received: header."""
    vm.run(SEND[program])
    found = read(vm, "alice", f"by {program}")
    # swaks' and swaks-tls' subjects begin alike, and IMAP finds parts of words.
    mine = [each for each in found if f"Hello by {program}\r\n" in each]
    assert len(mine) == 1
    assert re.search(rf"^Received: from .*\r\n\s+by {re.escape(HOST)}", mine[0], re.MULTILINE)


def test_smtp_source(vm: Host) -> None:
    """Postfix's load generator, with four connections at once: as many arrive as were sent."""
    unpack(vm, ["postfix"], quiet)
    options = "-s 4 -m 100 -l 1024 -S 'by smtp-source' -f load@lab.example -t bob@lab.example"
    vm.run(f"/usr/sbin/smtp-source {options} {HOST}:25")
    assert len(read(vm, "bob", "by smtp-source", 100)) == 100


def test_starttls_by_openssl(vm: Host) -> None:
    """The chain and the name are good, with the CA of chapter 3; so with the certificate of Alice."""
    client = (
        f"openssl s_client -brief -starttls smtp -connect {HOST}:25 -CAfile /etc/meta1/CA/cacert.pem"
        f" -verify_return_error -verify_hostname {HOST} 2>&1"
    )
    assert "Verification: OK" in str(vm.run(f"echo QUIT | {client}"))
    with_name = f"echo QUIT | {client} -cert ~/alice/cert.pem -key ~/alice/key.pem"
    assert "Verification: OK" in str(vm.run(with_name))
    found = r"verify=OK cert_subject=\S*/O=MeTA1+20lab/CN=alice"
    vm.wait_for(
        "grep -q 'starttls side=server.*verify=OK cert_subject=.*CN=alice' /var/log/mail.log"
    )
    assert re.search(
        found.replace("+", r"\+"), vm.get("/var/log/mail.log").decode().replace('"', "")
    )


def test_auth_by_swaks(vm: Host) -> None:
    """CRAM-MD5 with the secret of chapter 2: then, and only then, mail for others is taken."""
    ask = f"{SWAKS} --quit-after RCPT --to someone@partner.example"
    assert "550 5.7.1" in vm.run(ask, check=False).stdout
    allowed = vm.run(f"{ask} --auth CRAM-MD5 --auth-user alice --auth-password {FROM_FILE}").stdout
    assert re.search(r"<-  235 2\.7\.0 ", allowed)
    wrong = vm.run(f"{ask} --auth CRAM-MD5 --auth-user alice --auth-password wrong", check=False)
    assert "535 5.7.8" in wrong.stdout


def test_auth_by_smtptest(vm: Host) -> None:
    """Cyrus' own test client says so, too."""
    said = vm.run(
        f"echo QUIT | /usr/lib/cyrus/bin/smtptest -m CRAM-MD5 -a alice -u alice -w {FROM_FILE} {HOST}",
    )
    assert "S: 235 2.7.0 " in said.stdout
    assert "Authenticated." in said.stdout


def test_the_log_has_no_trouble_and_no_secret(vm: Host, log_begins: int) -> None:
    """After all of the above."""
    log = vm.get("/var/log/mail.log").decode().splitlines()[log_begins:]
    ours = [line for line in log if re.search(r" (mcp|smtps|smtpc|qmgr|smar)\[", line)]
    assert len(ours) > 100
    assert [line for line in ours if TROUBLE.search(line)] == []
    assert str(vm.run("cat /var/spool/meta1/*.log 2> /dev/null", as_user="root", check=False)) == ""
    for name in ("alice", "bob", "cyrus"):
        secret = vm.get(f"secrets/{name}")
        assert secret.decode() not in "\n".join(log)
        assert base64.b64encode(secret).decode().rstrip("=")[:-1] not in "\n".join(log)

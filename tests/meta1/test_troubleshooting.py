"""Every entry of book/troubleshooting.md: the cause is made, the words are seen, the mend is done, the words are gone.

What is seen and what is done comes from the page alone; only how to break the machine is said here.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from lab.config import ROOT
from lab.host import Host
from lab.result import Result
from meta1.release import CONF, configure

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]  # the first test has the machine made
PAGE = (ROOT / "book" / "troubleshooting.md").read_text()
FENCE = re.compile(r"^```(bash|text)\n(.*?)\n```$", re.MULTILINE | re.DOTALL)
SEND = "swaks --server localhost --from carol@partner.example --to"
PATIENCE = 60.0
TO_ALICE = f"{SEND} alice@lab.example > /dev/null"
DROP_IN = "/etc/systemd/system/meta1.service.d"
"""Many restarts in a row are no fault here, so that systemd's limit is off but for one entry."""
MAKE_ACCESS = "sudo createmap hash /etc/meta1/access.db < /etc/meta1/access"

BREAK = {
    "Connection refused on port 25": "sudo systemctl stop meta1",
    "Address already in use": (
        "sudo systemctl stop meta1 && "
        "sudo systemd-run --quiet --unit other-mta nc -k -l -p 25 && "
        "until nc -z localhost 25; do sleep 0.1; done"
    ),
    "A name in meta1.conf is not known": f"sudo sed -i s/log_level/log_levle/ {CONF}",
    "start of the service was attempted too often": f"""\
echo '[Unit]\nStartLimitIntervalSec=100' | sudo tee {DROP_IN}/limit.conf
sudo systemctl daemon-reload
until sudo systemctl restart meta1 2>&1 | grep 'too often'; do sleep 0.1; done""",
    "FAULT no user meta1m": "sudo systemctl stop meta1; sudo userdel meta1m; sudo systemctl start meta1",
    "The port answers, but no greeting comes": (
        "sudo mv /etc/meta1/CA/newcert.pem /etc/meta1/CA/newcert.pem.old; sudo systemctl restart meta1"
    ),
    "Others can get at the key": (
        "sudo chmod 0644 /etc/meta1/CA/newreq.pem; sudo systemctl restart meta1"
    ),
    "A folder of the queue has the wrong owner": (
        "sudo systemctl stop meta1; sudo chown -R root /var/spool/meta1/cdb; sudo systemctl start meta1"
    ),
    "550 5.7.1 Relaying denied": "true",
    "The access map does not do what its text says": (
        "echo 'to:partner.example relay' | sudo tee /etc/meta1/access"
    ),
    "Access cannot be checked now, try again later": (
        "sudo chmod 0600 /etc/meta1/access.db; sudo systemctl restart meta1"
    ),
    "554 in place of the greeting": (
        f"echo 'cltaddr:127 reject' | sudo tee /etc/meta1/access; {MAKE_ACCESS}"
    ),
    "550 5.1.1 No such user here": "true",
    "452 4.3.1 Out of storage": """\
sudo systemctl stop meta1
sudo sed -i 's/CDB_gid/min_free_space = 16M; CDB_gid/' /etc/meta1/meta1.conf
sudo mv /var/spool/meta1/cdb /dev/shm/cdb && sudo ln -s /dev/shm/cdb /var/spool/meta1/cdb
sudo fallocate -l 56M /dev/shm/cdb/old-backup.tar
sudo systemctl start meta1""",
    "Wait for the greeting before speaking": "true",
    "verify error:num=19 or num=20": "true",
    "certificate has expired": """\
cd ~/ca && openssl x509 -req -in mailreq.pem -CA cacert.pem -CAkey cakey.pem \
  -days -1 -extfile ca.cnf -extensions mail_host -out newcert.pem
sudo install --mode 0444 newcert.pem /etc/meta1/CA/ && sudo systemctl restart meta1""",
    "535 5.7.8, and the log says libsasl2": (
        "sudo gpasswd --delete meta1s sasl; sudo systemctl restart meta1"
    ),
    "535 5.7.8, and the log says no such user": (
        "sudo saslpasswd2 -p -c -u lab.example dave < ~/secrets/alice"
    ),
    "lmtp: Permission denied": (
        f"sudo gpasswd --delete meta1c lmtp; sudo systemctl restart meta1; {TO_ALICE}"
    ),
    "lmtp: Connection refused": f"sudo systemctl stop cyrus-imapd; {TO_ALICE}",
    "Over quota": f"""\
echo 'sq user/bob 0' |
  cyradm --user cyrus --auth SCRAM-SHA-256 --password "$(cat ~/secrets/cyrus)" localhost
{SEND} bob@lab.example > /dev/null""",
    "name service failure": f"""\
echo 'cltaddr:127.0.0.1 relay' | sudo tee /etc/meta1/access; {MAKE_ACCESS}
sudo sed -i 's/DNS_timeout/# DNS_timeout/; s/nameserver =/DNS_timeout = 1; nameserver =/' {CONF}
sudo systemctl stop dnsmasq; sudo systemctl restart meta1
{SEND} someone@nomail.example > /dev/null""",
    "A message is held": (
        f"sudo systemctl stop cyrus-imapd; {TO_ALICE}; sudo qmgrctl hold ALL; "
        "sudo systemctl start cyrus-imapd; until nc -z localhost 143; do sleep 0.1; done"
    ),
    "mailq: Permission denied": "true",
}
"""How each entry's cause is made; `true` where a healthy machine shows it."""

UNDO = {
    "start of the service was attempted too often": (
        f"sudo sed -i s/100/0/ {DROP_IN}/limit.conf; sudo systemctl daemon-reload"
    ),
    "452 4.3.1 Out of storage": (
        "sudo systemctl stop meta1; sudo rm /var/spool/meta1/cdb; "
        "sudo mv /dev/shm/cdb /var/spool/meta1/cdb; sudo sm.setup.sh"
    ),
    "535 5.7.8, and the log says no such user": "sudo saslpasswd2 -d -u mail.lab.example dave",
    "name service failure": "sudo qmgrctl delete ALL",
}
"""What a mend leaves, which the entries that follow must not find."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the page: a command, what it shows when things are wrong, and the mend."""

    title: str
    look: str
    shows: list[str]
    mend: str
    is_only_asked_otherwise: bool


def entries() -> list[Entry]:
    """All entries, in the order of the page."""
    found = []
    for part in PAGE.split("\n### ")[1:]:
        title = part.splitlines()[0]
        fences = FENCE.findall(part)
        assert [kind for kind, _ in fences] == ["bash", "text", "bash"], title
        asked = "\n**Ask instead**" in part
        assert asked or "\n**Mend:**\n" in part, title
        look, shows, mend = (text for _, text in fences)
        found.append(Entry(title, look, shows.splitlines(), mend, asked))
    return found


def said(result: Result) -> str:
    """Both streams of a command."""
    return result.stdout + result.stderr


def sees(vm: Host, entry: Entry, wanted: bool) -> str:
    """Run the entry's command until it shows all of its words, or none; a map or a queue takes a moment."""
    deadline = time.monotonic() + PATIENCE
    while True:
        output = said(vm.run(entry.look, check=False))
        found = [line in output for line in entry.shows]
        if (all(found) if wanted else not any(found)) or time.monotonic() > deadline:
            return output
        time.sleep(0.2)


@pytest.fixture(scope="module")
def server(installed: Host) -> Iterator[Host]:
    """The machine as chapter 15 finds it: MeTA1 under systemd, the group lmtp at the socket."""
    installed.run("mcp.sh stop", as_user="root")
    configure(installed)
    installed.install("etc/meta1/meta1.conf")
    installed.put(UNIT_AND_GROUP, "/root/begin")
    installed.run("sh -eu /root/begin", as_user="root")
    yield installed
    unit = "/etc/systemd/system/meta1.service"
    installed.run("systemctl stop meta1; rm -r %s %s", unit, DROP_IN, as_user="root")
    installed.run("chgrp mail /var/imap/socket; usermod -aG mail meta1c", as_user="root")
    installed.run("systemctl daemon-reload; rm -r /root/meta1.good /root/begin", as_user="root")
    configure(installed)


UNIT_AND_GROUP = f"""\
cp /usr/local/share/doc/meta1/meta1.service /etc/systemd/system/
mkdir -p {DROP_IN} && echo '[Unit]\nStartLimitIntervalSec=0' > {DROP_IN}/limit.conf
systemctl daemon-reload
groupadd --system --force lmtp
usermod --append --groups lmtp cyrus
usermod --append --groups lmtp meta1c
usermod --append --groups sasl meta1s
gpasswd --delete meta1c mail || true
chgrp lmtp /var/imap/socket
rm -rf /root/meta1.good && cp --archive /etc/meta1 /root/meta1.good
"""
AGAIN = """\
same=$(cmp /etc/meta1/meta1.conf /root/meta1.good/meta1.conf > /dev/null && echo yes || true)
rm /etc/meta1/*.db && cp --archive /root/meta1.good/. /etc/meta1/
systemctl start meta1
[ "$same" ] || systemctl reload meta1
"""


@pytest.fixture
def healthy(server: Host, request: pytest.FixtureRequest) -> Iterator[Host]:
    """A server that works, before each entry."""
    server.run(AGAIN, as_user="root")
    yield server
    if undo := UNDO.get(request.node.callspec.id):
        server.run(undo, check=False)


def test_every_entry_is_proven() -> None:
    """No entry without its cause, no cause without its entry."""
    assert [each.title for each in entries()] == list(BREAK)
    assert set(UNDO) <= set(BREAK)


@pytest.mark.parametrize("entry", entries(), ids=[each.title for each in entries()])
def test_entry(healthy: Host, entry: Entry) -> None:
    """The page shows what the machine says, and its mend mends."""
    healthy.run(BREAK[entry.title], check=False, timeout=120)
    output = sees(healthy, entry, wanted=True)
    assert [line for line in entry.shows if line not in output] == [], output
    mended = healthy.run(entry.mend, check=False, timeout=120)
    assert mended.ok, said(mended)
    output = said(mended) if entry.is_only_asked_otherwise else sees(healthy, entry, wanted=False)
    assert [line for line in entry.shows if line in output] == [], output
    assert len(healthy.run("sudo mcp.sh status").lines) == 5
    assert "Message accepted" in healthy.run(f"{SEND} alice@lab.example").stdout

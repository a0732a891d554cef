"""Who may relay: every kind of client asks the running server about every kind of recipient.

What the answer has to be is computed here from the text of the access map by the rule that meta1.access(5) states:
a recipient is local and exists, or relaying is allowed by `to:`, the client's address, AUTH or certificate, or 550.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pytest

from lab.bench.install import make_map
from lab.host import Host

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]  # the first test has the machine made
ISSUER = "certissuer:/O=MeTA1+20lab/CN=Lab+20CA"
SUBJECT = "certsubject:/O=MeTA1+20lab/CN="
MAPS = {
    "closed": {},
    "issuer": {
        "cltaddr:127.0.0.2": "relay",
        "cltaddr:127.0.0.3": "reject",
        "to:listed.example": "relay",
        ISSUER: "relay",
    },
    "subject": {"cltaddr:127.0.0.2": "cont", ISSUER: "subject", f"{SUBJECT}alice": "relay"},
    "another": {"cltaddr:127.0": "ok", ISSUER: "subject", f"{SUBJECT}bob": "relay"},
}
KINDS = {
    "clients": ["127.0.0.1", "127.0.0.2", "127.0.0.3"],
    "auth": ["none", "good", "bad"],
    "certificates": ["clear", "none", "alice", "stranger"],
    "recipients": [
        "alice@lab.example",
        "bob@mail.lab.example",
        "nobody@lab.example",
        "someone@partner.example",
        "someone@nomail.example",
        "someone@listed.example",
    ],
}
USERS = {"alice", "bob"}
DOMAINS = {"lab.example", "mail.lab.example"}


@dataclass(frozen=True, slots=True)
class Question:
    """One client that asks about one recipient."""

    client: str
    auth: str
    certificate: str
    recipient: str


def expected(access: dict[str, str], asked: Question) -> tuple[int, str]:
    """The reply by the documented rule."""
    user, _, domain = asked.recipient.partition("@")
    if client_value(access, asked.client) == "reject":
        return 554, "5.7.1"  # instead of the greeting, where RFC 5321 knows no other refusal
    if domain in DOMAINS:
        return (250, "2.1.5") if user in USERS else (550, "5.1.1")
    may_relay = (
        asked.auth == "good"
        or client_value(access, asked.client) == "relay"
        or certificate_value(access, asked.certificate) == "relay"
        or access.get(f"to:{domain}") == "relay"
    )
    return (250, "2.1.5") if may_relay else (550, "5.7.1")


def client_value(access: dict[str, str], address: str) -> str | None:
    """The value of the address, else of its leading parts."""
    parts = address.split(".")
    keys = [f"cltaddr:{'.'.join(parts[:count])}" for count in range(4, 0, -1)]
    return next((access[key] for key in keys if key in access), None)


def certificate_value(access: dict[str, str], certificate: str) -> str | None:
    """Only Alice's chain leads to our authority; the stranger's bears the same names."""
    if certificate != "alice":
        return None
    value = access.get(ISSUER)
    return access.get(f"{SUBJECT}alice") if value == "subject" else value


@pytest.mark.parametrize("name", MAPS)
def test_every_client_and_recipient(vm: Host, here: Path, name: str) -> None:
    """All combinations are answered as the map says; an empty map lets nobody relay without AUTH."""
    access = MAPS[name]
    make_map(vm, "access", "".join(f"{key} {value}\n" for key, value in access.items()))
    vm.put(here / "programs" / "relaying.py", "/usr/local/share/relaying.py")
    asked = vm.run("python3 /usr/local/share/relaying.py", input=json.dumps(KINDS), timeout=120)
    found = {Question(*row[:4]): (row[4], row[5]) for row in json.loads(asked.stdout)}
    questions = [Question(*each) for each in product(*KINDS.values())]
    assert set(found) == set(questions)
    wrong = {
        q: (found[q], expected(access, q)) for q in questions if found[q] != expected(access, q)
    }
    assert wrong == {}
    print(
        f"\n{name}: {len(found)} combinations, {sum(code == 250 for code, _ in found.values())} accepted"
    )
    if name == "closed":
        relayed = [
            q for q in found if q.auth != "good" and q.recipient.partition("@")[2] not in DOMAINS
        ]
        assert {found[q] for q in relayed} == {(550, "5.7.1")}

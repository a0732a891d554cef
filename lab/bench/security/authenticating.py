"""AUTH: passwords neither in the clear nor by guessing; who exists is not told."""

from __future__ import annotations

import base64

from lab.bench.edits import Edit
from lab.bench.security.proof import Proof, hold, same
from lab.bench.security.steps import EHLO, INSIDE, REPLY, Step, talked
from lab.bench.security.target import Target

RELAY: tuple[Step, ...] = (
    ("say", "MAIL FROM:<alice@lab.example>\r\n"), REPLY, ("say", "RCPT TO:<someone@elsewhere.example>\r\n"), REPLY,
)  # fmt: skip
REFUSED = "535 5.7.8 Authentication failed"


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def guessing(target: Target) -> int:
    """Wrong secrets, one after the other: each costs a second, the third ends the session."""
    wrong: list[Step] = [("cram", "alice", f"wrong{number}") for number in range(4)]
    said = target.timed([*INSIDE, *wrong, ("rest", 2)])[0][len(INSIDE) // 2 + 1 :]
    texts = [text for text, _ in said]
    hold(texts[0] == texts[1] == REFUSED, said)
    hold(texts[2].startswith("535") or "421" in texts[2], said)
    hold(
        "421 4.7.0" in "".join(texts[2:]) and texts[-1].endswith("(closed)"),
        f"the session goes on: {said}",
    )
    hold(not any(text == REFUSED for text in texts[3:]), f"a fourth try: {said}")
    hold(min(seconds for _, seconds in said[:3]) >= 0.9, f"answered at once: {said}")
    return 4


def who_exists(target: Target) -> int:
    """A wrong secret of Alice and of nobody, by each mechanism: the same answer after the same time."""
    sessions: list[list[Step]] = []
    for user in (
        "alice",
        "nobody",
        "alice@mail.lab.example",
        "nobody@elsewhere.example",
        "root",
        "x" * 200,
    ):
        login = [
            *talked("AUTH LOGIN"),
            *talked(_encoded(user.encode())),
            *talked(_encoded(b"wrong")),
        ]
        sessions += [
            [*INSIDE, ("cram", user, "wrong")],
            [*INSIDE, ("plain", "", user, "wrong")],
            [*INSIDE, *login],
        ]
    said = [each[-1] for each in target.timed(*sessions)]
    same({text for text, _ in said}, {REFUSED}, "answers")
    seconds = [each for _, each in said]
    hold(max(seconds) - min(seconds) < 0.5, f"answers after {min(seconds)} to {max(seconds)} s")
    return len(sessions)


def wrong_ways(target: Target) -> int:
    """Ways in that are none; after each a foreign recipient is refused."""
    plain = "AUTH PLAIN "
    ways: dict[str, list[Step]] = {
        "a wrong secret": [("cram", "alice", "wrong")],
        "another one's secret": [("plain", "", "bob", "@alice")],
        "in the name of another": [("plain", "bob", "alice", "@alice")],
        "in the name of root": [("plain", "cyrus", "alice", "@alice")],
        "an old answer": [("stale", "alice", "@alice")],
        "no secret": [("plain", "", "alice", "")],
        "nobody": talked(plain + _encoded(b"\0\0")),
        "three words too many": talked(plain + _encoded(b"a\0b\0c\0d\0e\0")),
        "no base64": talked(f"{plain}!!!!"),
        "half of base64": talked(f"{plain}AAA"),
        "base64 with a blank": talked(f"{plain}AAAA AAAA"),
        "too much padding": talked(f"{plain}===="),
        "bytes of 8 bits": talked(plain + _encoded(bytes(range(128, 256)))),
        "nothing": talked(f"{plain}="),
        "cancelled": [*talked("AUTH CRAM-MD5"), *talked("*")],
        "an empty answer": [*talked("AUTH CRAM-MD5"), *talked("")],
        "no digest": [*talked("AUTH CRAM-MD5"), *talked(_encoded(b"alice"))],
        "unknown mechanism": talked("AUTH NTLM TlRMTVNTUAABAAAAB4IIAAAAAAAAAAAAAAAAAAAAAAA="),
        "ANONYMOUS": talked("AUTH ANONYMOUS " + _encoded(b"alice")),
        "EXTERNAL": talked("AUTH EXTERNAL " + _encoded(b"alice")),
        "MAIL AUTH=": [
            ("say", "MAIL FROM:<x@elsewhere.example> AUTH=alice@lab.example\r\n"),
            REPLY,
            *talked("RSET"),
        ],
    }
    for name, said in zip(
        ways, target.talk(*([*INSIDE, *each, *RELAY] for each in ways.values())), strict=True
    ):
        hold(not any(text.startswith("235") for text in said), f"{name}: {said}")
        hold(said[-1].startswith("550 5.7.1"), f"{name} lets relay: {said}")
    good = target.talk([*INSIDE, ("cram", "alice", "@alice"), *talked("AUTH PLAIN ="), *RELAY])[0]
    hold(
        good[-1].startswith("250") and good[-3].startswith("503"),
        f"the right way in does not work: {good}",
    )
    return len(ways)


def in_the_clear(target: Target) -> int:
    """Without TLS: no mechanism is offered, and each is refused before a secret is asked for."""
    mechanisms = ("PLAIN", "PLAIN AGFsaWNlAHdyb25n", "LOGIN", "LOGIN YWxpY2U=", "CRAM-MD5")
    sessions: list[list[Step]] = [
        [REPLY, EHLO, REPLY, *talked(f"AUTH {each}")] for each in mechanisms
    ]
    for mechanism, said in zip(mechanisms, target.talk(*sessions), strict=True):
        hold("AUTH" not in said[1], f"AUTH is offered: {said}")
        hold(said[2].startswith("538 5.7.11"), f"{mechanism}: {said}")
    return len(sessions)


def users(target: Target) -> int:
    """VRFY and EXPN say the same of everybody; RCPT must say who does not exist, but not for long."""
    asked = (
        "alice",
        "nobody",
        "<alice@lab.example>",
        "<nobody@lab.example>",
        "postmaster",
        "root",
        "alice@lab.example",
    )
    vrfy = [[REPLY, EHLO, REPLY, *talked(f"VRFY {each}")] for each in asked]
    expn = [[REPLY, EHLO, REPLY, *talked(f"EXPN {each}")] for each in asked]
    said = target.talk(*vrfy, *expn)
    same({each[-1][:3] for each in said[: len(asked)]}, {"252"}, "VRFY")
    same(len({each[-1] for each in said[: len(asked)]}), 1, "answers to VRFY")
    same({each[-1][:3] for each in said[len(asked) :]}, {"502"}, "EXPN")
    many = "".join(f"RCPT TO:<user{number}@lab.example>\r\n" for number in range(40))
    begin: list[Step] = [REPLY, EHLO, REPLY, ("say", "MAIL FROM:<m@elsewhere.example>\r\n"), REPLY]
    harvest = target.talk([*begin, ("say", many), ("rest", 4)])[0][-1]
    hold(
        harvest.count("550 5.1.1") <= 21 and harvest.endswith("(closed)"),
        f"RCPT goes on: {harvest[-200:]}",
    )
    return 2 * len(asked) + 1


def by_nmap(target: Target) -> int:
    """What nmap's script for user names finds by VRFY and EXPN."""
    arguments = "smtp-enum-users.methods={VRFY,EXPN},smtp-enum-users.domain=lab.example"
    target.vm.run("printf 'alice\\nbob\\nnobody\\nroot\\n' > /tmp/proof-users")
    done = target.vm.run(
        "nmap -n -Pn --unprivileged -p 25 --script smtp-enum-users --script-args %s 127.0.0.1",
        f"{arguments},userdb=/tmp/proof-users",
        timeout=120,
    )
    hold("25/tcp open" in done.stdout, done.stdout)
    hold("alice" not in done.stdout and "bob" not in done.stdout, done.stdout)
    return 4


TRIES_ARE_FREE = (
    Edit(
        "smtp/engine.py", "if self.auth_failures >= self.settings.max_auth_failures:", "if False:"
    ),
)
NO_PAUSE = (Edit("smtps_auth.py", "PAUSE: Final = 1.0", "PAUSE: Final = 0.0"),)
NAMES_ARE_TOLD = (
    Edit(
        "smtps_auth.py",
        "session.answer, number, replies.AUTH_REFUSED)",
        'session.answer, number, replies.AUTH_LATER if "no such" in why else replies.AUTH_REFUSED)',
    ),
)
NO_PAUSE_FOR_NOBODY = (
    Edit(
        "smtps_auth.py",
        "loop.call_later(PAUSE, session",
        'loop.call_later(0 if "no such" in why else PAUSE, session',
    ),
)
FAILURE_IS_SUCCESS = (
    Edit(
        "sasl.py",
        "        return NotAuthenticated(_WORDS",
        '        return Authenticated("alice")\n        return NotAuthenticated(_WORDS',
    ),
)
CLEAR_TEXT_WILL_DO = (
    Edit("sasl.py", "return (() if only_tls else strong), (possible", "return possible, (possible"),
)
VRFY_TELLS = (
    Edit(
        "smtp/server.py",
        "self._send(replies.CANNOT_VERIFY)",
        'self._send(replies.OK if "alice" in argument else replies.CANNOT_VERIFY)',
    ),
)

PROOFS = (
    Proof(
        "Guessing passwords",
        "wrong secrets one after the other in a session",
        "each is answered after a second, the third ends the session",
        "RFC 4954 section 4",
        "own client",
        guessing,
        {"tries are free": TRIES_ARE_FREE, "answered at once": NO_PAUSE},
    ),
    Proof(
        "User names by AUTH",
        "a wrong secret for users that exist and for others, by CRAM-MD5, PLAIN and LOGIN",
        "the same answer after the same time",
        "RFC 4954 section 4, CWE-204",
        "own client",
        who_exists,
        {
            "unknown users have an answer of their own": NAMES_ARE_TOLD,
            "they are answered at once": NO_PAUSE_FOR_NOBODY,
        },
    ),
    Proof(
        "Wrong ways in",
        "wrong and stale secrets, secrets of others, names of others, mechanisms not offered, bad base64, AUTH=",
        "nobody is authenticated, nobody may relay",
        "RFC 4954, RFC 4616 section 2, CVE-2011-1720 (Postfix)",
        "own client",
        wrong_ways,
        {"a failure counts as success": FAILURE_IS_SUCCESS},
    ),
    Proof(
        "Passwords in the clear",
        "AUTH without TLS where require_tls is set",
        "not offered; 538 before a secret is sent",
        "RFC 4954 section 4, RFC 8314",
        "own client",
        in_the_clear,
        {"clear text will do": CLEAR_TEXT_WILL_DO},
    ),
    Proof(
        "User names by VRFY, EXPN and RCPT",
        "questions for users that exist and for others",
        "VRFY says the same of all, EXPN nothing; RCPT is cut off after 21 unknown ones",
        "RFC 5321 section 7.3",
        "own client",
        users,
        {"VRFY tells": VRFY_TELLS},
    ),
    Proof(
        "User names, by nmap",
        "smtp-enum-users by VRFY and EXPN",
        "no user is found",
        "RFC 5321 section 7.3",
        "nmap",
        by_nmap,
        {"VRFY tells": VRFY_TELLS},
    ),
)

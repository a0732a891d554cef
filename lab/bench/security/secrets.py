"""No secret and no content of a mail gets into a log, whatever is said to the server."""

from __future__ import annotations

import base64

from lab.bench.edits import Edit
from lab.bench.security.proof import Proof, hold
from lab.bench.security.steps import EHLO, INSIDE, REPLY, talked
from lab.bench.security.target import Target

PLACES = "/var/log /var/spool/meta1/*.log /var/spool/meta1/ibdb /var/spool/meta1/defedb"


def logs(target: Target) -> int:
    """Logins that work and that do not, secrets at wrong places, a mail; then all logs are searched, of all proofs."""
    guess, content = f"guess-{target.token}", f"content-{target.token}"
    encoded = base64.b64encode(f"\0alice\0{guess}".encode()).decode()
    login = [("say", "AUTH LOGIN\r\n"), REPLY, ("say", "YWxpY2U=\r\n"), REPLY]
    word = base64.b64encode(guess.encode()).decode()
    mail = [
        *talked("MAIL FROM:<m@elsewhere.example>", "RCPT TO:<alice@lab.example>", "DATA"),
        *talked(f"Subject: {target.token}\r\n\r\n{content}\r\n."),
    ]
    target.talk(
        [*INSIDE, ("plain", "", "alice", "@alice"), *mail],
        [*INSIDE, ("cram", "alice", "@alice")],
        [*INSIDE, ("plain", "", "alice", guess)],
        [*INSIDE, *login, ("say", f"{word}\r\n"), REPLY],
        [REPLY, EHLO, REPLY, ("say", f"AUTH PLAIN {encoded}\r\n"), REPLY],
        [REPLY, EHLO, REPLY, ("say", f"{encoded}\r\n"), REPLY, ("say", f"PASS {guess}\r\n"), REPLY],
        [*INSIDE, ("say", f"AUTH CRAM-MD5\r\n{word}\r\n"), REPLY, REPLY],
    )
    target.mail(1)
    wanted = [guess, content, encoded, word]
    for name in target.vm.run("ls /home/lab/secrets").lines:
        secret = target.vm.get(f"/home/lab/secrets/{name}").decode()
        wanted += [secret, base64.b64encode(secret.encode()).decode().rstrip("=")]
    key = target.vm.get("/etc/meta1/CA/newreq.pem", as_user="root").decode().splitlines()
    wanted += [line for line in key if len(line) > 40 and "-----" not in line][:2]
    words = "/root/proof-words"
    search = f"sort -u > {words}; grep -rlFf {words} {PLACES}; journalctl -q | grep -cFf {words}"
    found = target.vm.run(
        f"{search}; rm {words}",
        as_user="root",
        input="\n".join(wanted) + "\n",
        check=False,
    )
    hold(found.lines == ["0"], f"a secret in {found.lines}")
    return len(wanted)


PROOFS = (
    Proof(
        "Secrets and content in logs",
        "logins, guesses, misplaced secrets and a mail, at log_level 100; then the logs of all proofs are searched",
        "no secret, guess, key or content is found, as it is or in base64",
        "CWE-532",
        "grep",
        logs,
        {
            "failed guesses are logged": [
                Edit(
                    "smtps_auth.py",
                    "session.client.address, why\n",
                    'session.client.address, f"{why} {self._said}"\n',
                ),
                Edit(
                    "smtps_auth.py",
                    '"""Give libsasl2 the client\'s response."""',
                    "self._said = response",
                ),
                Edit(
                    "smtps_auth.py",
                    '"""Open the exchange with the client\'s initial response, if it sent one."""',
                    "self._said = initial",
                ),
            ],
            "content is logged": [
                Edit(
                    "smtps_session.py",
                    "        self._add_content(event.chunk)\n",
                    "        self._add_content(event.chunk)\n"
                    '        maillog.note("content", text=event.chunk.decode("latin-1"))\n',
                ),
            ],
        },
    ),
)

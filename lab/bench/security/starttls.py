"""STARTTLS: nothing said in clear text counts as said inside TLS, whichever side says it."""

from __future__ import annotations

from lab.bench.edits import Edit
from lab.bench.security.proof import Proof, hold, same
from lab.bench.security.steps import REPLY, Step
from lab.bench.security.target import Target

EHLO = ("say", "EHLO mallory.example\r\n")
BEHIND = (
    "EHLO injected.example\r\n",
    "NOOP\r\n",
    "RSET\r\nMAIL FROM:<mallory@elsewhere.example>\r\n",
    "AUTH PLAIN AGEAYg==\r\n",
    "QUIT\r\n",
    "EHL",
    "\r\n",
    "\0",
)
"""What is sent behind STARTTLS; the first is what the published tester sends."""


def _injection(*said: Step) -> list[Step]:
    """Clear text around STARTTLS, then TLS, then what an honest client says."""
    inside: list[Step] = [("say", "EHLO honest.example\r\n"), REPLY, ("rest", 0.5)]
    return [REPLY, EHLO, REPLY, *said, REPLY, ("tls",), *inside]


def command_injection(target: Target) -> int:
    """Each text behind STARTTLS: in the same write, and in one of its own before the handshake."""
    together = [_injection(("say", f"STARTTLS\r\n{text}")) for text in BEHIND]
    apart = [_injection(("say", "STARTTLS\r\n"), ("pause", 0.3), ("say", text)) for text in BEHIND]
    for text, said in zip(BEHIND * 2, target.talk(*together, *apart), strict=True):
        answer, shaken, inside, more = said[2:6]
        if shaken.startswith("TLSv1"):
            hold("honest" not in answer, f"{text!r}: {said}")
            same(more, "(silent)", f"{text!r}: replies to what was said in clear text")
            hold(inside.startswith("250-mail.lab.example"), f"{text!r}: {inside}")
        else:
            hold(answer[:3] in ("503", "220"), f"{text!r}: {said}")
            hold("250" not in answer + shaken, f"{text!r} is answered: {said}")
    return len(BEHIND) * 2


def state_forgotten(target: Target) -> int:
    """What the client said before TLS is as if it had not been said; STARTTLS comes once, between mails."""
    mail = "MAIL FROM:<mallory@elsewhere.example>\r\n"
    start: list[Step] = [REPLY, EHLO, REPLY, ("say", "STARTTLS\r\n"), REPLY, ("tls",)]
    sessions: list[list[Step]] = [
        [*start, ("say", mail), REPLY],
        [*start, ("say", "AUTH PLAIN =\r\n"), REPLY],
        [*start, EHLO, REPLY, ("say", "STARTTLS\r\n"), REPLY],
        [REPLY, EHLO, REPLY, ("say", mail), REPLY, ("say", "STARTTLS\r\n"), REPLY],
        [REPLY, ("say", "STARTTLS\r\n"), REPLY],
    ]
    for said in target.talk(*sessions):
        hold(said[-1].startswith("503"), said)
    return len(sessions)


def response_injection(target: Target) -> int:
    """A server that sends replies behind its 220: none of them is taken for an answer inside TLS."""
    names = ("starttls", "late")
    target.send(*(f"x@{name}.liar.example" for name in names))
    for name in names:
        target.wait_for_log(rf"{name}\.liar\.example.*(outcome|deferred|code=4)")
        lines = target.heard(name)
        hold(any("STARTTLS" in line for line in lines), f"{name} was never asked for TLS: {lines}")
        hold(not any("SIZE=" in line and line.startswith("tls") for line in lines), lines)
    delivered = [line for line in target.log() if "delivered" in line and "liar.example" in line]
    target.forget_queue()
    same(delivered, [], "delivered by injected replies")
    return len(names)


SERVER_KEEPS_CLEAR_TEXT = (
    Edit(
        "smtp/server.py",
        "        if len(self._lines):\n            # Bytes sent in clear",
        "        if False:\n            # Bytes sent in clear",
    ),
    Edit("smtp/engine.py", "        self._lines.clear()\n        self._move(HANDSHAKE_DONE)",
         "        self._move(HANDSHAKE_DONE)"),
)  # fmt: skip
CLIENT_KEEPS_CLEAR_TEXT = (Edit("smtp/client.py", "elif self._reader.pending:", "elif False:"),)
STATE_IS_KEPT = (
    Edit(
        "smtp/state.py",
        "State.HANDSHAKE: {HANDSHAKE_DONE: State.START}",
        "State.HANDSHAKE: {HANDSHAKE_DONE: State.READY}",
    ),
)

PROOFS = (
    Proof(
        "STARTTLS command injection",
        "commands behind STARTTLS in the same write, and between its answer and the handshake",
        "none is carried out: the session ends, or what was sent is forgotten",
        "CVE-2011-0411, RFC 3207 section 4.2",
        "texts of command-injection-tester, and others",
        command_injection,
        {"clear text stays in the buffer": SERVER_KEEPS_CLEAR_TEXT},
    ),
    Proof(
        "STARTTLS session fixation",
        "EHLO, MAIL or AUTH before TLS; STARTTLS twice or within a mail",
        "inside TLS the client has said nothing yet; STARTTLS at the wrong time is 503",
        "RFC 3207 section 4.2",
        "own client",
        state_forgotten,
        {"the state outlives the handshake": STATE_IS_KEPT},
    ),
    Proof(
        "STARTTLS response injection",
        "a server sends replies behind its 220, to be read as if they came inside TLS",
        "the connection is given up, the message waits in the queue",
        "CVE-2021-38371 (Exim), RFC 3207 section 4.2",
        "lying server",
        response_injection,
        {"clear text stays in the reader": CLIENT_KEEPS_CLEAR_TEXT},
    ),
)

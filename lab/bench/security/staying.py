"""Clients that stay: a session ends however busy it is, and who is refused by the greeting has to leave."""

from __future__ import annotations

from collections.abc import Sequence

from lab.bench.edits import Edit
from lab.bench.security.proof import Proof, hold, same
from lab.bench.security.steps import EHLO, INSIDE, REPLY, Step, talked
from lab.bench.security.target import IO_TIMEOUT, UNWANTED, Target

LONGEST = 8
"""Seconds of session_timeout as staged: a configuration file may say no less than a minute."""
LATE = 3.0
"""Seconds by which the end may be late."""
ENVELOPE = ("MAIL FROM:<m@elsewhere.example>", "RCPT TO:<alice@lab.example>", "DATA")


def _again(line: str, seconds: int) -> list[Step]:
    """Say a line each second, and hear what comes."""
    return [step for _ in range(seconds) for step in (("say", f"{line}\r\n"), ("rest", 1.0))]


def _ended(said: Sequence[tuple[str, float]], name: str, least: float, most: float) -> None:
    """Hold that the server ended the session as timed out, after so many seconds."""
    past = 0.0
    for text, seconds in said:
        past += seconds
        if text.endswith("(closed)"):
            last = text.removesuffix("(closed)").rstrip().rpartition("\n")[2]
            hold(last.startswith("421 4.4.2 "), f"{name}: ends with {text!r}")
            hold(least < past < most, f"{name}: ends after {past:.0f} s")
            return
    hold(False, f"{name}: still open after {past:.0f} s")


def busy(target: Target) -> int:
    """Clients that always have something to say, each of it in time."""
    begin: list[Step] = [REPLY, EHLO, REPLY]
    long = LONGEST + 6
    sessions: dict[str, list[Step]] = {
        "commands": [*begin, *_again("NOOP", long)],
        "mails begun": [*begin, *_again("MAIL FROM:<m@elsewhere.example>\r\nRSET", long)],
        "content": [*begin, *talked(*ENVELOPE), *_again("x" * 120, long)],
        "commands in TLS": [*INSIDE, *_again("NOOP", long)],
    }
    for name, said in zip(sessions, target.timed(*sessions.values()), strict=True):
        _ended(said, name, LONGEST - 1, LONGEST + LATE)
    return len(sessions)


def refused(target: Target) -> int:
    """A client that the access map refuses leaves, goes on as if nothing were, is silent, or is busy."""
    long = IO_TIMEOUT + 6
    sessions: dict[str, list[Step]] = {
        "leaves": [REPLY, *talked("QUIT"), ("rest", 1.0)],
        "goes on": [REPLY, *talked("EHLO m.example", *ENVELOPE, "x", "STARTTLS", "QUIT")],
        "is silent": [REPLY, ("rest", long)],
        "is busy": [REPLY, *_again("NOOP", long)],
    }
    heard = target.timed(*sessions.values(), source=UNWANTED)
    said = dict(zip(sessions, heard, strict=True))
    codes = {name: [text[:3] for text, _ in each] for name, each in said.items()}
    same({each[0] for each in codes.values()}, {"554"}, "greetings")
    same(codes["leaves"], ["554", "221", "(cl"], "leaves")
    same(codes["goes on"], ["554"] + ["503"] * 6 + ["221"], "goes on")
    for name in ("is silent", "is busy"):
        _ended(said[name], name, 1, IO_TIMEOUT + LATE)
    return len(sessions)


SESSIONS_ARE_SHORT = (
    Edit("config/sections/smtps.py", "7 * 86400), 7200.0, OURS", f"7 * 86400), {LONGEST}.0, OURS"),
)
BUSY_IS_GOOD = (Edit("smtps_connection.py", " or now > self._began + section.session_timeout", ""),)
REFUSED_IS_GREETED = (
    Edit("smtp/engine.py", "self._move(GREETING_REFUSED)", "self._move(GREETED)"),
)
REFUSED_HAS_TIME = (
    Edit("smtps_connection.py", "if self.core.state is not State.REFUSED:", "if True:"),
)

PROOFS = (
    Proof(
        "Endless sessions",
        "a command, the begin of a mail or a line of content each second, in clear text and in TLS",
        "421 after session_timeout, however busy the client is",
        "RFC 5321 section 4.5.3.2.7, CWE-400",
        "own client",
        busy,
        {"busy is good enough": BUSY_IS_GOOD},
        SESSIONS_ARE_SHORT,
    ),
    Proof(
        "Refused clients that stay",
        "a client that the access map refuses goes on with a mail, is silent, or is busy",
        "554, 503 to all but QUIT, and 421 after io_timeout or ten seconds",
        "RFC 5321 section 3.1, CWE-400",
        "own client",
        refused,
        {
            "a refusal is only words": REFUSED_IS_GREETED,
            "each command gives time": REFUSED_HAS_TIME,
        },
    ),
)

"""Everything that has a length or a number has a limit: a table of what is too much, and what is answered."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from lab.bench.edits import Change, Edit
from lab.bench.security.proof import Proof, hold
from lab.bench.security.steps import EHLO, REPLY, Step
from lab.bench.security.target import MAX_MESSAGE, Target

MAIL = ("say", "MAIL FROM:<m@elsewhere.example>\r\n")
RCPT = ("say", "RCPT TO:<alice@lab.example>\r\n")
READY: tuple[Step, ...] = (REPLY, EHLO, REPLY)
CONTENT: tuple[Step, ...] = (*READY, MAIL, REPLY, RCPT, REPLY, ("say", "DATA\r\n"), REPLY)
PIECE = "x" * 62 + "\r\n"


@dataclass(frozen=True, slots=True)
class Case:
    """Sessions of which the last answer must fit `answer`; the others show that a little less is taken."""

    what: str
    sent: Sequence[Step]
    answer: str
    reference: str
    broken: Change
    enough: Sequence[Step] = ()


CASES = (
    Case(
        "a command line of 3,000 octets",
        [*READY, ("say", f"NOOP {'x' * 3000}\r\n"), REPLY],
        "500 5.5.2 Line too long",
        "RFC 5321 section 4.5.3.1.4",
        Edit("smtp/framing.py", "if self._skipping or end + 1 - start > limit:", "if False:"),
        [*READY, ("say", f"NOOP {'x' * 2000}\r\n"), REPLY],
    ),
    Case(
        "a name of 256 octets in EHLO",
        [REPLY, ("say", f"EHLO {'x' * 256}\r\n"), REPLY],
        "501 5.5.4",
        "RFC 5321 section 4.5.3.1.2",
        Edit(
            "smtp/syntax.py",
            'return 0 < len(text) <= MAX_DOMAIN and " " not in text',
            'return " " not in text',
        ),
        [REPLY, ("say", f"EHLO {'x' * 255}\r\n"), REPLY],
    ),
    Case(
        "a local part of 65 octets",
        [*READY, ("say", f"MAIL FROM:<{'x' * 65}@elsewhere.example>\r\n"), REPLY],
        "553 5.1.7",
        "RFC 5321 section 4.5.3.1.1",
        Edit("smtp/syntax.py", "if len(local_part) > MAX_LOCAL_PART:", "if not local_part:"),
        [*READY, ("say", f"MAIL FROM:<{'x' * 64}@elsewhere.example>\r\n"), REPLY],
    ),
    Case(
        "an AUTH line of 13,000 octets",
        [*READY, ("say", f"AUTH PLAIN {'A' * 13_000}\r\n"), REPLY],
        "500 5.5.2 Line too long",
        "RFC 4954 section 4",
        Edit("smtp/engine.py", "AUTH_LINE = 12288 + 2", "AUTH_LINE = 10**9"),
        [*READY, ("say", f"AUTH PLAIN {'A' * 12_000}\r\n"), REPLY],
    ),
    Case(
        "1,001 recipients",
        [*READY, MAIL, REPLY, ("say", str(RCPT[1]) * 1001), ("rest", 3)],
        r"(250 [^\r]*\r\n){1000}452 4\.5\.3",
        "RFC 5321 section 4.5.3.1.10",
        Edit(
            "smtp/server.py",
            "if self.recipients + pending >= self.settings.max_recipients:",
            "if False:",
        ),
    ),
    Case(
        "SIZE above the limit",
        [*READY, ("say", f"MAIL FROM:<m@elsewhere.example> SIZE={MAX_MESSAGE + 1}\r\n"), REPLY],
        "552 5.3.4",
        "RFC 1870 section 6.1",
        Edit("smtp/server.py", "if 0 < self.settings.max_message_size < given.size:", "if False:"),
        [*READY, ("say", f"MAIL FROM:<m@elsewhere.example> SIZE={MAX_MESSAGE}\r\n"), REPLY],
    ),
    Case(
        "content above the limit",
        [*CONTENT, ("repeat", PIECE, MAX_MESSAGE // len(PIECE) + 1), ("say", ".\r\n"), REPLY],
        "552 5.3.4",
        "RFC 1870 section 6.3",
        Edit("smtp/framing.py", "if max_size and self.size > max_size:", "if False:"),
    ),
    Case(
        "a header field of two million octets",
        [
            *CONTENT,
            ("say", "X-Long: "),
            ("repeat", "x" * 62 + "\r\n ", MAX_MESSAGE // 32),
            ("say", "\r\n.\r\n"),
            REPLY,
        ],
        "552 5.3.4",
        "RFC 5321 section 4.5.3.1.7",
        Edit("smtp/framing.py", "if max_size and self.size > max_size:", "if False:"),
    ),
    Case(
        "a line of 70,000 octets in content",
        [*CONTENT, ("say", f"{'x' * 70_000}\r\n.\r\n"), REPLY],
        "550 5.6.0",
        "RFC 5321 section 4.5.3.1.6",
        Edit("smtp/framing.py", "if self._has_long_line(piece, max_line):", "if False:"),
    ),
    Case(
        "51 Received fields",
        [*CONTENT, ("say", "Received: by x; today\r\n" * 51 + "\r\nHello.\r\n.\r\n"), REPLY],
        "554 5.4.6",
        "RFC 5321 section 6.3",
        Edit(
            "smtp/framing.py",
            "return replies.TOO_MANY_HOPS if self._hops.count > max_hops else None",
            "return None",
        ),
    ),
    Case(
        "21 commands that are refused",
        [REPLY, ("say", "WHAT\r\n" * 21), ("rest", 3)],
        r"(500 [^\r]*\r\n){21}421 4\.7\.0 [^\r]*\r\n\(closed\)",
        "RFC 5321 section 7.8",
        Edit("smtp/engine.py", "if self.errors > self.settings.max_errors:", "if False:"),
    ),
    Case(
        "101 commands that do nothing",
        [REPLY, ("say", "NOOP\r\n" * 101), ("rest", 3)],
        r"(250 [^\r]*\r\n){100}421 4\.7\.0 [^\r]*\r\n\(closed\)",
        "RFC 5321 section 7.8",
        Edit(
            "smtp/server.py", "return self._junk > self.settings.max_junk_commands", "return False"
        ),
    ),
)


def _proof(case: Case) -> Proof:
    """A case as a proof of its own."""

    def run(target: Target) -> int:
        sessions = [case.sent] + ([case.enough] if case.enough else [])
        said = [each[-1] for each in target.talk(*sessions)]
        hold(re.match(case.answer, said[0]), f"{case.what}: {said[0][-300:]!r}")
        if case.enough:
            hold(not re.match(case.answer, said[1]), f"a little less than {case.what}: {said[1]!r}")
        return len(sessions)

    answer = (
        re.sub(r"[\\(){}^\[\]*]|rn|r\b", "", case.answer) if "(" not in case.answer else "the limit"
    )
    holds = {"the limit": "what is above the limit is refused, or the session ends with 421"}.get(
        answer, answer
    )
    return Proof(
        f"Too much: {case.what}",
        case.what,
        holds,
        case.reference,
        "own client",
        run,
        {"no limit": [case.broken]},
    )


PROOFS = tuple(map(_proof, CASES))

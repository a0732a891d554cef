"""One message stays one: whatever somebody takes for the end of it, towards smtps and from smtpc to Cyrus' lmtpd."""

from __future__ import annotations

import email

from lab.bench.edits import Edit
from lab.bench.security.proof import Proof, hold, same
from lab.bench.security.steps import REPLY, Step
from lab.bench.security.target import Target

ENDS = (
    # SMTP-Smuggling-Tools (inbound and outbound), smtpsmug
    "\n.\n", "\n.\r", "\r.\n", "\r.\r", "\n.\r\n", "\r.\r\n", "\r\n.\n", "\r\n.\r", "\r\n.\r\r\n",
    "\r\r\n.\r\r\n", "\r\n\0.\r\n", "\r\n.\0\r\n",
    # smtp_smuggling_checker
    "\r\n\0.\r", "\r\n\0.\n", "\n\n.\r\n", "\r\n.",
    # what Cyrus' lmtpd takes, and others of the kind
    "\r\n.\n\r\n", "\n.\r\r\n", "\r\n. \r\n", "\r\n.\t\r\n", "\n\r.\n\r",
    "\r\n.\x0b\r\n", "\r\n.\x0c\r\n", "\r\n.\x85", "\x85.\x85", "\r\n..\r\n",
)  # fmt: skip
ENVELOPE: tuple[Step, ...] = (
    *(REPLY, ("say", "EHLO m.example\r\n"), REPLY, ("say", "MAIL FROM:<>\r\n"), REPLY),
    *(("say", "RCPT TO:<alice@lab.example>\r\n"), REPLY),
)
CONTENT: tuple[Step, ...] = (*ENVELOPE, ("say", "DATA\r\n"), REPLY)
SECOND = (
    "MAIL FROM:<ceo@lab.example>\r\nRCPT TO:<alice@lab.example>\r\nDATA\r\n"
    "Subject: {token} smuggled {how} {number}\r\n\r\nPay at once.\r\n"
)


def _messages(target: Target, number: int) -> dict[str, list[str]]:
    """What has arrived, by subject without the mark."""
    found: dict[str, list[str]] = {}
    for text in target.mail(number):
        subject = str(email.message_from_string(text)["Subject"]).replace(target.token, "").strip()
        found.setdefault(subject, []).append(text)
    return found


def _one_or_none(target: Target, ends: tuple[str, ...], how: str) -> int:
    """Send a message with each false end in it, and the second behind: one whole message comes, or none."""
    sessions: list[list[Step]] = []
    for number, end in enumerate(ends):
        second = SECOND.format(token=target.token, how=how, number=number)
        text = f"Subject: {target.token} first {how} {number}\r\n\r\nHello.{end}{second}last {number}\r\n.\r\nQUIT\r\n"
        sessions.append([*CONTENT, (how, text), ("rest", 8)])
    replies = target.talk(*sessions)
    taken = [number for number, said in enumerate(replies) if said[-1].startswith("250")]
    found = _messages(target, len(taken))
    for number, end in enumerate(ends):
        same(
            found.get(f"smuggled {how} {number}", []),
            [],
            f"{end!r} smuggles, {replies[number][-1]!r}",
        )
        texts = found.get(f"first {how} {number}", [])
        same(len(texts), int(number in taken), f"{end!r}: messages, {replies[number][-1]!r}")
        hold(
            all("Pay at once" in text and f"last {number}" in text for text in texts),
            f"{end!r} cuts off: {texts}",
        )
    return len(ends)


def inbound(target: Target) -> int:
    """Each false end, in one write and byte by byte."""
    return _one_or_none(target, ENDS, "say") + _one_or_none(target, ENDS, "drip")


def outbound(target: Target) -> int:
    """smtps lets bare line ends through: smtpc still hands one message to lmtpd."""
    ends = tuple(end for end in ENDS if "\0" not in end)  # lmtpd itself refuses NUL
    count = _one_or_none(target, ends, "say")
    hold(len(target.mail()) == count, "the stage does not stand: smtps has refused messages")
    return count


def unsynchronised(target: Target) -> int:
    """Behind the true end: the next envelope with its content, sent on before 354."""
    second = SECOND.format(token=target.token, how="", number=0)
    text = f"Subject: {target.token} first 0\r\n\r\nHello.\r\n.\r\n{second}.\r\n"
    early = f"DATA\r\nSubject: {target.token} smuggled 1\r\n\r\nPay.\r\n.\r\n"
    said = target.talk(
        [*CONTENT, ("say", text), ("rest", 3)], [*ENVELOPE, ("say", early), ("rest", 3)]
    )
    found = _messages(target, 1)
    same(sorted(found), ["first 0"], f"messages that came, {said}")
    return 2


def commands(target: Target) -> int:
    """Commands that do not end with CRLF, or hold NUL, CR or LF, are refused whole."""
    bad = (
        "NOOP\n",
        "NOOP\r",
        "NOOP\r\r\n",
        "NO\0OP\r\n",
        "EHLO x.example\n",
        "MAIL FROM:<m@elsewhere.example>\r",
        "NOOP \x7f\r\n",
        "NOOP \x80\r\n",
    )
    sessions: list[list[Step]] = [
        [REPLY, ("say", text), ("pause", 0.2), ("say", "\r\nHELP\r\n"), ("rest", 0.7)]
        for text in bad
    ]
    for text, said in zip(bad, target.talk(*sessions), strict=True):
        first = said[1].split("\r\n")[0]
        hold(first.startswith("500"), f"{text!r}: {said}")
        hold("250" not in said[1], f"{text!r} is carried out: {said}")
    return len(bad)


LF_IS_CRLF = Edit(
    "smtp/framing.py",
    "raw = self._tail + data\n        end = raw.find(END_OF_CONTENT)",
    'raw = (self._tail + data).replace(b"\\r\\n", b"\\n").replace(b"\\n", b"\\r\\n")\n'
    "        end = raw.find(END_OF_CONTENT)",
)
BARE_LINE_ENDS_PASS = (
    Edit(
        "smtp/framing.py",
        "if _has_bare_end(piece):\n            return replies",
        "if False:\n            return replies",
    ),
)
ONLY_CRLF_IS_KNOWN = (
    Edit("smtp/framing.py", 'chunk = _BARE.sub(b"\\r\\n", chunk)', "pass"),
    Edit(
        "smtp/framing.py",
        'if b"\\n." in chunk:\n            chunk = chunk.replace(b"\\n.", b"\\n..")',
        'if b"\\r\\n." in chunk:\n            chunk = chunk.replace(b"\\r\\n.", b"\\r\\n..")',
    ),
)
CONTENT_MAY_COME_EARLY = Edit(
    "smtp/server.py",
    "if len(self._lines):\n            # RFC 2920",
    "if False:\n            # RFC 2920",
)
LF_ENDS_A_COMMAND = (
    Edit(
        "smtp/framing.py",
        'line = data[start : end - 1]\n        if data[end - 1 : end] != b"\\r" or end == start or b"\\r" in line:',
        'line = data[start:end].rstrip(b"\\r")\n        if False:',
    ),
)

PROOFS = (
    Proof(
        "SMTP smuggling, incoming",
        "false ends of a message, each with a second message behind it; whole and byte by byte",
        "a refusal, or exactly one message with the whole text",
        "CVE-2023-51764, -51765, -51766, CVE-2024-27305, VU#302671",
        "ends of SMTP-Smuggling-Tools, smtpsmug, smtp_smuggling_checker",
        inbound,
        {"LF counts as CRLF": (LF_IS_CRLF,)},
    ),
    Proof(
        "SMTP smuggling, outgoing",
        "the same ends in content that smtpc hands to Cyrus' lmtpd, which takes LF.LF for the end",
        "exactly one message with the whole text",
        "VU#302671, RFC 5321 section 2.3.8",
        "the same, with smtps made to let bare line ends pass",
        outbound,
        {"dots are stuffed behind CRLF only": ONLY_CRLF_IS_KNOWN},
        stage=BARE_LINE_ENDS_PASS,
    ),
    Proof(
        "Content before 354",
        "a second envelope with its content behind the true end, and DATA with content, in one write",
        "no content is taken that was sent before 354",
        "RFC 2920 section 3.1; `pipelining` of smtpsmug",
        "own client",
        unsynchronised,
        {"content may come early": (CONTENT_MAY_COME_EARLY,)},
    ),
    Proof(
        "Bare CR, LF and NUL in commands",
        "commands that end with LF or CR alone, two in a line, NUL and 8-bit bytes",
        "500, and nothing of the line is carried out",
        "RFC 5321 section 2.3.8",
        "own client",
        commands,
        {"LF ends a command": LF_ENDS_A_COMMAND},
    ),
)

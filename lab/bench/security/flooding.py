"""Floods: a client that takes all it can get leaves room for the others, and what it took is given back."""

from __future__ import annotations

import json
import time
from typing import Any

from lab.bench.edits import Edit
from lab.bench.security.proof import Proof, hold, same
from lab.bench.security.steps import EHLO, REPLY, Step
from lab.bench.security.target import IO_TIMEOUT, PLACE, Target

PER_CLIENT = 200
TOTAL = 1000
"""The limits of meta1.conf where it says nothing."""
FRIEND_SECONDS = 5.0
"""Longest time an honest mail may take beside a flood; alone it takes some hundredths."""
PER_SESSION = 1000
"""KiB of memory that one session may cost, whatever it sends: the buffers of one read and of waiting commands."""
LEFT = 40_000
"""KiB that may stay behind: what the allocator keeps for the next time."""
MAIL = ("say", "MAIL FROM:<m@elsewhere.example>\r\n")
RCPT = ("say", "RCPT TO:<alice@lab.example>\r\n")


def _flood(
    target: Target, *crowds: dict[str, Any], stopped: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Run it; what it leaves behind is checked for all."""
    wanted = json.dumps({"crowds": crowds, "stopped": stopped, "mark": target.token})
    done = target.vm.run(f"python3 {PLACE}/flood.py", as_user="root", input=wanted, timeout=180)
    found: dict[str, Any] = json.loads(done.stdout)
    hold(found["files"][-1] <= found["files"][0] + 4, f"connections are not given back: {found}")
    hold(found["memory"][-1] <= found["memory"][0] + LEFT, f"memory is not given back: {found}")
    hold(found["friend"][-1] is not None, f"nobody is served afterwards: {found}")
    return found


def one_client(target: Target) -> int:
    """One client opens more than it may have; others are served meanwhile."""
    number = PER_CLIENT + 60
    found = _flood(target, {"source": "127.0.0.66", "number": number})
    same(found["greetings"], [{"220": PER_CLIENT, "421": 60}], "greetings")
    hold(
        found["friend"][1] is not None and found["friend"][1] < FRIEND_SECONDS,
        f"a friend waits: {found}",
    )
    return number


def many_clients(target: Target) -> int:
    """Many clients, each within its limit, open more than there may be."""
    crowds = [{"source": f"127.0.0.{70 + each}", "number": PER_CLIENT} for each in range(6)]
    found = _flood(target, *crowds)
    codes = {code: sum(each.get(code, 0) for each in found["greetings"]) for code in ("220", "421")}
    same(codes, {"220": TOTAL, "421": PER_CLIENT}, "greetings")
    hold(found["memory"][1] - found["memory"][0] < TOTAL * PER_SESSION, f"memory: {found}")
    return TOTAL + PER_CLIENT


def unread_answers(target: Target) -> int:
    """Clients pipeline without end and never read an answer; lines without an end; others are served."""
    lines = (
        "EHLO m.example\r\nMAIL FROM:<m@elsewhere.example>\r\n"
        + "RCPT TO:<alice@lab.example>\r\n" * 20_000
    )
    endless = "x" * 500_000
    found = _flood(
        target,
        {"source": "127.0.0.66", "number": 4, "lines": lines, "times": 20},
        {"source": "127.0.0.67", "number": 10, "lines": endless, "times": 8},
    )
    _memory_is_bounded(found, 14)
    hold(
        found["friend"][1] is not None and found["friend"][1] < FRIEND_SECONDS,
        f"a friend waits: {found}",
    )
    return 14


def stuck_resolver(target: Target) -> int:
    """smar stands still, so that no RCPT is answered, and clients pipeline RCPT without end."""
    begin = "EHLO m.example\r\nMAIL FROM:<m@elsewhere.example>\r\n"
    lines = begin + f"RCPT TO:<{'x' * 60}@{'y' * 60}.example>\r\n" * 20_000
    found = _flood(
        target,
        {"source": "127.0.0.66", "number": 20, "lines": lines, "times": 2},
        stopped=("smar",),
    )
    _memory_is_bounded(found, 20)
    return 20


def _memory_is_bounded(found: dict[str, Any], sessions: int) -> None:
    hold(found["memory"][1] - found["memory"][0] < sessions * PER_SESSION, f"memory: {found}")


def slow(target: Target) -> int:
    """Clients that keep a session open and say nothing, or say it byte by byte, in every state of a session."""
    wait = ("rest", IO_TIMEOUT + 4)
    drip = ("drip", "x" * 2 * (IO_TIMEOUT + 3), 0.5)
    to_data: list[Step] = [REPLY, EHLO, REPLY, MAIL, REPLY, RCPT, REPLY, ("say", "DATA\r\n"), REPLY]
    to_tls: list[Step] = [REPLY, EHLO, REPLY, ("say", "STARTTLS\r\n"), REPLY]
    inside: list[Step] = [*to_tls, ("tls",), EHLO, REPLY]
    sessions: dict[str, list[Step]] = {
        "says nothing": [wait],
        "says EHLO": [REPLY, EHLO, REPLY, wait],
        "half a command": [REPLY, ("say", "EHL"), wait],
        "a command byte by byte": [REPLY, drip, ("rest", 1)],
        "an open mail": [REPLY, EHLO, REPLY, MAIL, REPLY, RCPT, REPLY, wait],
        "no content": [*to_data, wait],
        "content byte by byte": [*to_data, drip, ("rest", 1)],
        "half an end": [*to_data, ("say", "x\r\n."), wait],
        "no handshake": [*to_tls, wait],
        "a handshake byte by byte": [
            *to_tls,
            ("drip", "\x16\x03\x01\x02\0\x01\0\x01\xfc" + "x" * 9, 0.5),
            ("rest", 1),
        ],
        "nothing in TLS": [*inside, wait],
        "AUTH": [*inside, ("say", "AUTH CRAM-MD5\r\n"), REPLY, wait],
    }
    for name, said in zip(sessions, target.timed(*sessions.values(), timeout=180), strict=True):
        text, seconds = said[-1]
        hold(text.endswith("(closed)"), f"{name}: still open, {said}")
        hold(seconds < IO_TIMEOUT + 3, f"{name}: closed after {seconds} s")
    opened = sum(" opened " in line for line in target.log())
    for _ in range(20):
        closed = sum(" closed " in line for line in target.log())
        if closed == opened:
            break
        time.sleep(0.2)
    same(closed, opened, "sessions that were counted out")
    said_friend = target.send("alice@lab.example")
    hold(said_friend.startswith("250"), f"a friend is refused: {said_friend}")
    return len(sessions)


PER_CLIENT_IS_OPEN = (
    Edit(
        "smtps_limits.py",
        "if self._clients[key] > self._per_client else None",
        "if False else None",
    ),
)
TOTAL_IS_OPEN = (Edit("smtps_limits.py", "if self.sessions > self._total:", "if False:"),)
ANSWERS_PILE_UP = (Edit("smtps_connection.py", '        self._pause("write")\n', "        pass\n"),)
COMMANDS_WAIT = (Edit("smtp/engine.py", "return len(self._slots) < MAX_WAITING", "return True"),)
LINES_GROW = (
    Edit("smtp/framing.py", "if len(data) - start > limit:", "if False:"),
    Edit("smtps_connection.py", "MAX_BACKLOG: Final = 64 * 1024", "MAX_BACKLOG: Final = 2**40"),
)
HANDSHAKE_IS_FORGOTTEN = (
    Edit("smtps_connection.py", "            self.connection_lost(None)\n", "            pass\n"),
)
SILENCE_IS_ENDURED = (
    Edit(
        "smtps_connection.py",
        "elif now > self._deadline or now > self._began",
        "elif now > self._began",
    ),
)
A_BYTE_IS_ENOUGH = (
    Edit(
        "smtps_connection.py",
        'if "tls" in self._pauses:\n            self._early',
        'self._touch()\n        if "tls" in self._pauses:\n            self._early',
    ),
)
CONTENT_MAY_DRIP = (
    Edit(
        "smtps_connection.py",
        "return self._content_size < elapsed * self.policy.section.min_data_rate",
        "return False",
    ),
)

PROOFS = (
    Proof(
        "Flood from one client",
        f"{PER_CLIENT + 60} connections from one address",
        f"{PER_CLIENT} are greeted, the others are told 421; a friend's mail is taken at once; all is given back",
        "RFC 5321 section 4.3.2",
        "own client",
        one_client,
        {"no limit for one client": PER_CLIENT_IS_OPEN},
    ),
    Proof(
        "Flood from many clients",
        f"{TOTAL + PER_CLIENT} connections from six addresses",
        f"{TOTAL} are greeted, the others are told 421; memory is bounded, and all is given back",
        "RFC 5321 section 4.3.2",
        "own client",
        many_clients,
        {"no limit in all": TOTAL_IS_OPEN},
    ),
    Proof(
        "Pipelining without reading, lines without an end",
        "four clients send 400,000 RCPT each and read no answer, ten a line of four million letters",
        f"each costs less than {PER_SESSION} KiB; a friend's mail is taken; all is given back",
        "RFC 2920 section 3.2, CWE-770",
        "own client",
        unread_answers,
        {"a line may grow": LINES_GROW, "answers pile up": ANSWERS_PILE_UP},
    ),
    Proof(
        "Pipelining while a part stands still",
        "smar is stopped, and 20 clients send 40,000 RCPT each",
        f"each costs less than {PER_SESSION} KiB; all is given back",
        "CWE-770",
        "own client",
        stuck_resolver,
        {"commands wait without a bound": COMMANDS_WAIT},
    ),
    Proof(
        "Slow clients",
        "silence, or a byte each half second, in every state of a session: commands, content, TLS, AUTH",
        "the session ends after io_timeout, content that comes too slowly after the first minute; others are served",
        "RFC 5321 section 4.5.3.2.7, CWE-400",
        "own client",
        slow,
        {
            "silence is endured": SILENCE_IS_ENDURED,
            "an open handshake is not counted out": HANDSHAKE_IS_FORGOTTEN,
            "a byte counts as a command": A_BYTE_IS_ENOUGH,
            "content may drip": CONTENT_MAY_DRIP,
        },
    ),
)

"""What clients send: whole dialogs by the grammar of RFC 5321, then bent in every way we know of.

A session is a list of groups.  A client of this kind waits for all replies before it sends the next
group; what lies in one group is pipelined.
"""

from __future__ import annotations

import base64

from fuzz.source import Source

ENDS = (
    b"\r\n",
    b"\r\n",
    b"\r\n",
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\r\n",
    b"\n\r",
    b"\0\r\n",
    b"\r\n\r\n",
    b"",
)
"""Right ones most of the time: a session that is refused at once shows little."""
NASTY = (
    b"\r\n", b"\n", b"\r", b"\0", b"\r\n.\r\n", b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r",
    b"\r\r\n",
    b"\r\n.\r", b"\r\n..\r\n", b".", b"\x80", b"\xff\xfe", b"\xc3\xa9", b"\x1b[2J", b"\t", b" ",
    b"<", b">",
    b'"', b"\\", b"%s", b"+0D+0A", b"RCPT TO:<b@lab.example>\r\n", b"RCPT", b"QUIT\r\n",
    b"DATA\r\n",
    b"\r\nMAIL FROM:<evil@x.example>\r\n", b"AUTH ", b"A" * 600, b"=" * 3000, b"\x7f",
    b"\xe2\x80\xa8",
)  # fmt: skip
LOCALS = (
    "a", "b", "bob", "alice.b", "x+y", '"a b"', '"a\\"b"', '"a@b"', '"> x"', "postmaster", "",
    "..", ".a",
    "a" * 64, "a" * 65, '"\\\\"', "a%b", "!", '"', "\u00e9", "a\0b", '""', "root@x",
)  # fmt: skip
DOMAINS = (
    "lab.example", "lab.example", "lab.example", "LAB.EXAMPLE", "x.example", "[127.0.0.1]",
    "[IPv6:::1]",
    "[1.2.3.4", "[999.1.1.1]", "127.0.0.1", "-a.b", "a..b", "a.", "a" * 63 + ".b", "a" * 64 + ".b",
    ".".join(["abcdefgh"] * 29), "x_y.example", "[::1]", "[IPv6:1::2::3]", "",
)  # fmt: skip
MAIL_WORDS = (
    "SIZE=10", "SIZE=99999999999999999999", "SIZE=", "SIZE=-1", "SIZE=0x1", "BODY=8BITMIME",
    "BODY=7BIT", "BODY=x",
    "RET=FULL", "RET=HDRS", "ENVID=ab+20c", "ENVID=+0D+0A", "AUTH=<>", "AUTH=a@b.example",
    "AUTH=+3C+3E",
    "SMTPUTF8", "X=y", "size=5", "=", "SIZE=1 SIZE=2", "ENVID=" + "a" * 120, "RET",
)  # fmt: skip
RCPT_WORDS = (
    "NOTIFY=NEVER", "NOTIFY=SUCCESS,FAILURE", "NOTIFY=DELAY,DELAY", "NOTIFY=NEVER,DELAY", "NOTIFY=",
    "ORCPT=rfc822;a@b.example", "ORCPT=rfc822;a+0D+0Ab", "ORCPT=;", "ORCPT=x", "notify=delay",
    "Z=1",
)  # fmt: skip
OTHERS = (
    b"NOOP", b"NOOP x", b"RSET", b"RSET x", b"VRFY a", b"VRFY", b"HELP", b"HELP MAIL", b"EXPN x",
    b"ETRN x",
    b"BDAT 5 LAST", b"LHLO x", b"GET / HTTP/1.1", b"", b" ", b"EHLO c.example", b"HELO c", b"HELO",
    b"EHLO a b",
    b"STARTTLS", b"STARTTLS x", b"DATA", b"DATA x", b"QUIT", b"QUIT x", b"AUTH", b"AUTH PLAIN",
    b"RCPTX", b"RCPT",
    b"MAIL", b"MAIL FROM:", b"RCPT TO:", b"MAIL FROM <a@lab.example>", b"XCLIENT ADDR=1.2.3.4",
    b"*", b"TURN",
    b"Rcpt to: <b@lab.example>", b"mail from: <>", b"MAIL FROM:<@r.example:a@lab.example>",
    b"VRFY " + b"x" * 900,
)  # fmt: skip
PIECES = (
    b"Subject: x\r\n", b"Received: from a by b; c\r\n", b"received: x\r\n", b"\r\n", b"text\r\n",
    b".\r\n",
    b"..\r\n", b".x\r\n", b". \r\n", b"RCPT TO:<b@lab.example>\r\n", b"\n.\n", b"\n.\r\n",
    b"\r\n.\n", b"\r.\r\n",
    b"\r", b"\n", b"\0", b"\x80\xff", b"\r\n.\r", b"\r\r\n", b"y" * 990 + b"\r\n", b"z" * 1100,
    b"a", b".", b"\r\n.",
    b"\r\n\r\n", b"From: a\r\n", b"\xc3\xa9\r\n", b"\r\n.\r\r\n", b"\r\n.\0\r\n", b"\r\n. .\r\n",
)  # fmt: skip
SAFE_PIECES = (
    *PIECES[:9],
    b"\xc3\xa9\r\n",
    b"From: a\r\n",
    b"y" * 990 + b"\r\n",
    b"\x80\xff",
    b"a",
)


def mixed_case(source: Source, word: bytes) -> bytes:
    """Write a word as clients do, or as nobody does."""
    match source.below(6):
        case 0:
            return word.lower()
        case 1:
            return bytes([one ^ 32 if one > 64 and source.chance(2) else one for one in word])
        case _:
            return word


def path(source: Source) -> str:
    """A path in angle brackets, or something like it."""
    if source.chance(12):
        return source.choose(
            ("<>", "<", ">", "", "<postmaster>", "<a>", "<<a@b.example>>", "a@lab.example")
        )
    if source.chance(3):
        return f"<{source.choose(LOCALS)}@{source.choose(DOMAINS)}>"
    return f"<{source.choose('abcdefgh')}{source.below(50)}@lab.example>"


def words(source: Source, known: tuple[str, ...]) -> str:
    """Parameters behind a path."""
    return (
        "".join(" " + source.choose(known) for _ in range(source.below(3)))
        if source.chance(3)
        else ""
    )


def command(source: Source, verb: bytes, argument: str) -> bytes:
    """A command with its line end."""
    text = mixed_case(source, verb) + argument.encode("utf-8", "surrogateescape")
    if source.chance(30):
        text = source.damaged(text, NASTY)
    return text + (source.choose(ENDS) if source.chance(8) else b"\r\n")


def mail(source: Source) -> bytes:
    """MAIL."""
    return command(source, b"MAIL FROM:", path(source) + words(source, MAIL_WORDS))


def rcpt(source: Source) -> bytes:
    """RCPT."""
    return command(source, b"RCPT TO:", path(source) + words(source, RCPT_WORDS))


def other(source: Source) -> bytes:
    """Any other command, or a line that is none."""
    if source.chance(8):
        return source.noise(source.below(40)) + source.choose(ENDS)
    line = mixed_case(source, source.choose(OTHERS))
    if source.chance(40):
        line += b"x" * source.choose((400, 506, 507, 508, 600, 2040, 2050, 5000, 13000))
    return line + (source.choose(ENDS) if source.chance(8) else b"\r\n")


def hello(source: Source) -> bytes:
    """EHLO most of the time."""
    return command(source, source.choose((b"EHLO ", b"EHLO ", b"EHLO ", b"HELO ")), "c.example")


def auth(source: Source) -> list[bytes]:
    """An AUTH exchange with right and wrong answers."""
    word = source.choose(
        (b"AUTH CRAM-MD5", b"AUTH PLAIN", b"AUTH LOGIN", b"auth cram-md5", b"AUTH X")
    )
    tail = source.choose(
        (b"", b"", b" =", b" " + base64.b64encode(b"\0u\0p"), b" !", b" " + b"A" * 9000)
    )
    groups = [word + tail + b"\r\n"]
    for _ in range(source.below(3)):
        answer = source.choose(
            (b"*", b"", base64.b64encode(b"u d"), b"====", b"RCPT", b"RCPT TO:<b@lab.example>",
            b"A" * 12288,
             b"A" * 13000, b"\0", b"QUIT")
        )  # fmt: skip
        groups.append(answer + source.choose(ENDS))
    return [b"".join(groups)] if source.chance(4) else groups


def content(source: Source) -> bytes:
    """Mail data with its end, which is wrong now and then."""
    pieces = PIECES if source.chance(3) else SAFE_PIECES
    text = b"".join([source.choose(pieces) for _ in range(source.below(12))])
    if source.chance(10):
        # About the limits of the tight settings of smtp-server, and of live.
        text = b"Received: x\r\n" * source.choose((4, 5, 6, 7)) + text
    if source.chance(6):
        text += b"w" * source.choose((998, 999, 1000)) + b"\r\n"
    if source.chance(10):
        text += (b"v" * 600 + b"\r\n") * source.choose((4, 5, 6))
    if source.chance(6):
        text = source.damaged(text, NASTY)
    if not text.endswith(b"\r\n") and text:
        text += b"\r\n"
    ends = (b".\r\n", b"\n.\n", b".\n", b"\r.\r\n", b".", b"", b".\r\r\n", b". \r\n")
    return text + (source.choose(ends) if source.chance(12) else b".\r\n")


def transaction(source: Source) -> list[bytes]:
    """A whole mail: the envelope in one group or in several, then the content."""
    lines = [mail(source), *[rcpt(source) for _ in range(source.choose((1, 1, 1, 2, 3, 8)))]]
    if source.chance(40):
        lines += [b"RCPT TO:<r%d@lab.example>\r\n" % number for number in range(120)]
    lines.append(command(source, b"DATA", ""))
    groups = [b"".join(lines)] if source.chance(2) else lines
    if source.chance(20):
        return [*groups[:-1], groups[-1] + content(source)]
    return [*groups, content(source)]


def session(source: Source) -> list[bytes]:
    """Everything one client sends."""
    groups = [hello(source)]
    if source.chance(6):
        groups += [b"STARTTLS\r\n", hello(source)]
    if source.chance(5):
        groups += auth(source)
    for _ in range(source.choose((1, 1, 2, 3))):
        groups += transaction(source)
    if source.chance(2):
        groups.append(b"QUIT\r\n")
    for _ in range(source.choose((0, 0, 1, 1, 2, 4))):
        _bend(source, groups)
    if source.chance(30):
        groups += [other(source) for _ in range(30)]
    return groups


def _bend(source: Source, groups: list[bytes]) -> None:
    """Change the order, or a group."""
    if not groups:
        groups.append(other(source))
    at = source.below(len(groups))
    match source.below(7):
        case 0:
            del groups[at]
        case 1:
            groups.insert(at, groups[source.below(len(groups))])
        case 2:
            groups.insert(source.below(len(groups)), groups.pop(at))
        case 3:
            groups.insert(at, other(source))
        case 4:
            groups[at : at + 2] = [b"".join(groups[at : at + 2])]
        case 5:
            groups[at : at + 1] = source.cut(groups[at], 2)
        case _:
            groups[at] = source.damaged(groups[at], NASTY)

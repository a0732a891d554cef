"""SMTP replies: a value, its bytes, and every fixed reply the server gives.

MeTA1's own reply texts are known only for the banner and for EHLO; all others are the project's.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

# RFC 5321 4.5.3.1.5: a reply line has at most 512 octets including code and CRLF.
MAX_TEXT = 490
_UNPRINTABLE = re.compile(r"[^ -~]")


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply: code, enhanced status code (may be empty) and one or more text lines."""

    code: int
    enhanced: str
    lines: tuple[str, ...]

    @property
    def is_positive(self) -> bool:
        """Say whether the command succeeded or may go on (2yz and 3yz)."""
        return self.code < 400

    @property
    def is_success(self) -> bool:
        """Say whether the command did what it should (2yz)."""
        return 200 <= self.code < 300

    @property
    def is_transient(self) -> bool:
        """Say whether the same command may succeed later (4yz)."""
        return 400 <= self.code < 500

    @property
    def text(self) -> str:
        """Join the text lines, for logs and bounces."""
        return " ".join(self.lines)

    def encode(self) -> bytes:
        """Write the reply as bytes; no text can smuggle a line end or a control character."""
        start = f"{self.enhanced} " if self.enhanced else ""
        texts = [start + _printable(line) for line in self.lines]
        if len(texts) == 1:
            return f"{self.code} {texts[0]}\r\n".encode("ascii")
        head = "".join(f"{self.code}-{text}\r\n" for text in texts[:-1])
        return f"{head}{self.code} {texts[-1]}\r\n".encode("ascii")

    def __str__(self) -> str:
        """Show the reply on one line, as logs and bounces want it."""
        return " ".join(filter(None, (str(self.code), self.enhanced, self.text)))


@lru_cache(maxsize=256)
def encoded(answer: Reply) -> bytes:
    """Write a reply as bytes; most are said again and again."""
    return answer.encode()


def _printable(text: str) -> str:
    """Replace what must not stand in a reply line and cut it to the allowed length."""
    if _UNPRINTABLE.search(text) is not None:
        text = _UNPRINTABLE.sub("?", text)
    return text if len(text) <= MAX_TEXT else text[:MAX_TEXT]


def reply(code: int, enhanced: str, *lines: str) -> Reply:
    """Make a reply without writing the tuple."""
    return Reply(code, enhanced, lines)


OK = reply(250, "2.0.0", "Ok")
SENDER_OK = reply(250, "2.1.0", "Sender ok")
RECIPIENT_OK = reply(250, "2.1.5", "Recipient ok")
START_CONTENT = reply(354, "", "End mail with <CRLF>.<CRLF>")
GOODBYE = reply(221, "2.0.0", "Goodbye")
START_TLS = reply(220, "2.0.0", "Ready to start TLS")
CANNOT_VERIFY = reply(252, "2.1.5", "Cannot verify, send the mail and see")
HELP = reply(
    214,
    "2.0.0",
    "Commands: HELO EHLO MAIL RCPT DATA RSET NOOP QUIT",
    "          VRFY HELP STARTTLS AUTH",
    "End of help",
)
AUTH_OK = reply(235, "2.7.0", "Authentication succeeded")

UNKNOWN_COMMAND = reply(500, "5.5.1", "Command not known")
NOT_IMPLEMENTED = reply(502, "5.5.1", "Command not implemented")
NO_ARGUMENT = reply(501, "5.5.4", "This command takes no argument")
NAME_WANTED = reply(501, "5.5.4", "A host name is wanted")
BAD_SYNTAX = reply(501, "5.5.4", "Syntax error in parameters")
LINE_TOO_LONG = reply(500, "5.5.2", "Line too long")
BARE_LINE_END = reply(500, "5.5.2", "Line must end with CRLF and hold no other CR or LF")
CONTROL_CHARACTER = reply(500, "5.5.2", "Only printable ASCII is allowed in a command")

BAD_SEQUENCE = reply(503, "5.5.1", "Bad sequence of commands")
HELLO_FIRST = reply(503, "5.5.1", "Send EHLO or HELO first")
MAIL_FIRST = reply(503, "5.5.1", "Send MAIL first")
NESTED_MAIL = reply(503, "5.5.1", "A transaction is open already")
RECIPIENT_FIRST = reply(503, "5.5.1", "Send RCPT first")
NOT_IN_TRANSACTION = reply(503, "5.5.1", "Not allowed while a transaction is open")
NO_VALID_RECIPIENTS = reply(554, "5.5.1", "No valid recipients")
TLS_ALREADY = reply(503, "5.5.1", "TLS is active already")
AUTH_ALREADY = reply(503, "5.5.1", "You are authenticated already")
TOO_EAGER = reply(503, "5.5.0", "Wait for the reply before sending more")
SPOKE_FIRST = reply(554, "5.5.0", "Wait for the greeting before speaking")

BAD_SENDER = reply(553, "5.1.7", "Sender address is not <local-part@domain> or <>")
BAD_RECIPIENT = reply(553, "5.1.3", "Recipient address is not <local-part@domain>")
UNKNOWN_PARAMETER = reply(555, "5.5.4", "Parameter not known")
TOO_MANY_RECIPIENTS = reply(452, "4.5.3", "Too many recipients, send the others later")
MESSAGE_TOO_LARGE = reply(552, "5.3.4", "Message is larger than the limit")
BARE_LINE_END_IN_CONTENT = reply(550, "5.6.0", "Mail holds a bare CR or LF")
NUL_IN_CONTENT = reply(550, "5.6.0", "Mail holds a NUL byte")
CONTENT_LINE_TOO_LONG = reply(550, "5.6.0", "Mail holds a line that is too long")
TOO_MANY_HOPS = reply(554, "5.4.6", "Too many Received lines, mail is looping")

ENCRYPTION_WANTED = reply(538, "5.7.11", "Encryption required for this mechanism")
MECHANISM_UNKNOWN = reply(504, "5.5.4", "Mechanism not offered")
AUTH_REFUSED = reply(535, "5.7.8", "Authentication failed")
AUTH_LATER = reply(454, "4.7.0", "Authentication is not possible now")
AUTH_CANCELLED = reply(501, "5.7.0", "Authentication cancelled")
BAD_BASE64 = reply(501, "5.5.2", "Not valid base64")

TOO_MANY_ERRORS = reply(421, "4.7.0", "Too many errors, closing")
TOO_MANY_COMMANDS = reply(421, "4.7.0", "Too many commands without mail, closing")
TOO_MANY_AUTHS = reply(421, "4.7.0", "Too many failed authentications, closing")
TIMED_OUT = reply(421, "4.4.2", "Timed out, closing")
TOO_SLOW = reply(421, "4.4.2", "Data comes too slowly, closing")
SHUTTING_DOWN = reply(421, "4.3.2", "Shutting down, try again later")
TOO_BUSY = reply(421, "4.3.2", "Too many connections, try again later")
TOO_MANY_FROM_YOU = reply(421, "4.7.0", "Too many connections from your address")

TRY_LATER = reply(451, "4.3.0", "Temporary failure, try again later")
STORAGE_FULL = reply(452, "4.3.1", "Out of storage, try again later")
QUEUE_FULL = reply(452, "4.3.2", "Queue is full, try again later")
SERVICE_MISSING = reply(451, "4.3.2", "A part of the system is not there, try again later")
RELAYING_DENIED = reply(550, "5.7.1", "Relaying denied")

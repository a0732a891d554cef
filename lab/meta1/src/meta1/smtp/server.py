"""ServerConnection: bytes of an SMTP client in, events and reply bytes out.

No I/O, no clock, no policy: who may send what is the shell's question to others.
"""

import base64
import binascii
from collections.abc import Callable

from meta1.smtp import reply as replies
from meta1.smtp.engine import ServerEngine
from meta1.smtp.errors import RemoteProtocolError
from meta1.smtp.events import (
    AuthCancelled,
    AuthContinued,
    AuthStarted,
    ContentOffered,
    Greeted,
    MailGiven,
    RecipientGiven,
    TlsWanted,
    TransactionAborted,
)
from meta1.smtp.parameters import (
    MAIL_PARAMETERS,
    NO_MAIL_PARAMETERS,
    NO_RECIPIENT_PARAMETERS,
    RECIPIENT_PARAMETERS,
    parse_mail_parameters,
    parse_recipient_parameters,
)
from meta1.smtp.reply import Reply, reply
from meta1.smtp.state import EXCHANGE_DONE, TRANSACTION, State, next_state, refusal
from meta1.smtp.syntax import MAX_PATH, Mailbox, NullPath, is_hello_name, parse_path

NOT_IMPLEMENTED = frozenset(
    {"EXPN", "ETRN", "TURN", "ATRN", "SEND", "SOML", "SAML", "BDAT", "LHLO"}
)
# Verbs that do no work: a client that sends only these holds a session for nothing.
JUNK = frozenset({"NOOP", "RSET", "VRFY", "HELP", "EHLO", "HELO"})
_ALL_MAIL_KEYWORDS = frozenset(MAIL_PARAMETERS)
_SEVEN_BIT_KEYWORDS = _ALL_MAIL_KEYWORDS - {"BODY"}
_RECIPIENT_KEYWORDS = frozenset(RECIPIENT_PARAMETERS)


class ServerConnection(ServerEngine):
    """One session of an SMTP server; the shell reads its attributes but changes none."""

    def _dispatch(self, text: str) -> None:
        """Find the command, check the order of commands, and run it."""
        word, _, argument = text.partition(" ")
        verb = word.upper()
        handler = HANDLERS.get(verb)
        self._argument = argument if verb in ("MAIL", "RCPT") else ""
        if self.state is State.REFUSED and verb != "QUIT":
            self._refuse(verb, refusal(self.state, verb))
        elif handler is None:
            known = verb in NOT_IMPLEMENTED
            self._refuse(verb, replies.NOT_IMPLEMENTED if known else replies.UNKNOWN_COMMAND)
        elif next_state(self._ahead, verb) is None:
            self._refuse(verb, refusal(self._ahead, verb))
        elif verb in JUNK and self._is_too_much_junk():
            self.close_later(replies.TOO_MANY_COMMANDS, "too many commands")
        else:
            try:
                handler(self, argument.strip(" "))
            except RemoteProtocolError as error:
                self._refuse(verb, error.reply)

    def _is_too_much_junk(self) -> bool:
        self._junk += 1
        return self._junk > self.settings.max_junk_commands

    def _abort(self, verb: str) -> None:
        """End an open transaction and follow the table."""
        if self.state in TRANSACTION:
            self._events.append(TransactionAborted())
        self._move(verb)

    def _do_ehlo(self, name: str) -> None:
        self._hello("EHLO", name)
        self._send(Reply(250, "", self._ehlo_lines()))

    def _do_helo(self, name: str) -> None:
        self._hello("HELO", name)
        self._send(reply(250, "", f"{self.settings.host_name} SMTP {self.settings.greeting}"))

    def _hello(self, verb: str, name: str) -> None:
        if not is_hello_name(name):
            raise RemoteProtocolError(replies.NAME_WANTED)
        self._abort(verb)
        self.hello_name = name
        self.is_extended = verb == "EHLO"
        self._events.append(Greeted(name, self.is_extended))

    def _ehlo_lines(self) -> tuple[str, ...]:
        """List what is offered now; the first line and the last are those of MeTA1."""
        settings = self.settings
        lines = [
            f"{settings.host_name} ESMTP {settings.greeting}",
            "ENHANCEDSTATUSCODES",
            "PIPELINING",
        ]
        if settings.eight_bit_mime:
            lines.append("8BITMIME")
        lines += [f"SIZE {settings.max_message_size}", "DSN"]
        if settings.offers_tls and not self.is_tls:
            lines.append("STARTTLS")
        if self.mechanisms and not self.is_authenticated:
            lines.append("AUTH " + " ".join(self.mechanisms))
        return (*lines, "HELP")

    def _do_mail(self, argument: str) -> None:
        path, parameters = _split_path(argument, "FROM:", replies.BAD_SENDER)
        if not self.is_extended and parameters:
            raise RemoteProtocolError(replies.BAD_SYNTAX)
        given = NO_MAIL_PARAMETERS
        if parameters:
            eight_bit = self.settings.eight_bit_mime
            known = _ALL_MAIL_KEYWORDS if eight_bit else _SEVEN_BIT_KEYWORDS
            given = parse_mail_parameters(parameters, known)
        if 0 < self.settings.max_message_size < given.size:
            raise RemoteProtocolError(replies.MESSAGE_TOO_LARGE)
        if isinstance(path, Mailbox) and not path.domain:
            raise RemoteProtocolError(replies.BAD_SENDER)
        self.recipients = 0
        self._events.append(MailGiven(self._ask("MAIL", State.MAIL), path, given))

    def _do_rcpt(self, argument: str) -> None:
        path, parameters = _split_path(argument, "TO:", replies.BAD_RECIPIENT)
        if isinstance(path, NullPath):
            raise RemoteProtocolError(replies.BAD_RECIPIENT)
        given = NO_RECIPIENT_PARAMETERS
        if parameters:
            if not self.is_extended:
                raise RemoteProtocolError(replies.BAD_SYNTAX)
            given = parse_recipient_parameters(parameters, _RECIPIENT_KEYWORDS)
        # While MAIL itself is undecided the state is still READY and one slot is not a recipient.
        pending = len(self._slots) - (self.state is State.READY)
        if self.recipients + pending >= self.settings.max_recipients:
            raise RemoteProtocolError(replies.TOO_MANY_RECIPIENTS)
        number = self._ask("RCPT", State.RECIPIENT)
        self._events.append(RecipientGiven(number, path, given))

    def _do_data(self, argument: str) -> None:
        _require_empty(argument)
        if len(self._lines):
            # RFC 2920 3.1: DATA ends a group. What does not wait for 354 is no SMTP client.
            self.close_later(replies.TOO_EAGER, "content before 354")
            return
        self._events.append(ContentOffered(self._ask("DATA", State.CONTENT)))

    def _do_rset(self, argument: str) -> None:
        _require_empty(argument)
        self._abort("RSET")
        self._send(replies.OK)

    def _do_noop(self, argument: str) -> None:
        self._send(replies.OK)

    def _do_help(self, argument: str) -> None:
        self._send(replies.HELP)

    def _do_vrfy(self, argument: str) -> None:
        # RFC 5321 7.3: who exists here is not told to strangers.
        if not argument:
            raise RemoteProtocolError(replies.BAD_SYNTAX)
        self._send(replies.CANNOT_VERIFY)

    def _do_quit(self, argument: str) -> None:
        _require_empty(argument)
        reason = "refused" if self.state is State.REFUSED else "quit"
        self._abort("QUIT")
        self.close_later(replies.GOODBYE, reason)

    def _do_starttls(self, argument: str) -> None:
        _require_empty(argument)
        if self.is_tls:
            raise RemoteProtocolError(replies.TLS_ALREADY)
        if not self.settings.offers_tls:
            raise RemoteProtocolError(replies.NOT_IMPLEMENTED)
        if len(self._lines):
            # Bytes sent in clear text behind STARTTLS are an injection (CVE-2011-0411).
            self.close_later(replies.TOO_EAGER, "bytes behind STARTTLS")
            return
        self._send(replies.START_TLS)
        self._move("STARTTLS")
        self._events.append(TlsWanted())

    def _do_auth(self, argument: str) -> None:
        word, _, initial = argument.partition(" ")
        mechanism = word.upper()
        if self.is_authenticated:
            raise RemoteProtocolError(replies.AUTH_ALREADY)
        if not self.is_extended or not (self.mechanisms or self.settings.mechanisms_in_tls):
            raise RemoteProtocolError(replies.NOT_IMPLEMENTED)
        if mechanism not in self.mechanisms:
            later = mechanism in self.settings.mechanisms_in_tls
            raise RemoteProtocolError(
                replies.ENCRYPTION_WANTED if later else replies.MECHANISM_UNKNOWN
            )
        # RFC 4954 section 4: "=" is an empty initial response.
        data = None if not initial else b"" if initial == "=" else _decode(initial.encode())
        self._move("AUTH")
        self._events.append(AuthStarted(self._ask("AUTH", State.EXCHANGE), mechanism, data))

    def _continue_exchange(self, line: bytes) -> None:
        try:
            if line == b"*":
                raise RemoteProtocolError(replies.AUTH_CANCELLED)
            data = _decode(line)
        except RemoteProtocolError as error:
            self._move(EXCHANGE_DONE)
            self._events.append(AuthCancelled())
            self._refuse("AUTH", error.reply)
            return
        self._events.append(AuthContinued(self._ask("AUTH", State.EXCHANGE), data))


def _decode(text: bytes) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise RemoteProtocolError(replies.BAD_BASE64) from error


def _require_empty(argument: str) -> None:
    if argument:
        raise RemoteProtocolError(replies.NO_ARGUMENT)


def _split_path(argument: str, prefix: str, bad: Reply) -> tuple[Mailbox | NullPath, str]:
    """Split `FROM:<path> parameters`; the path ends at the first `>` outside quotes."""
    if argument[: len(prefix)].upper() != prefix:
        raise RemoteProtocolError(replies.BAD_SYNTAX)
    # Many clients put a blank behind the colon; it changes nothing, so it is let pass.
    rest = argument[len(prefix) :].lstrip(" ")
    if not rest:
        # RFC 5321 4.2.3: 553 is about a mailbox name, and here is none.
        raise RemoteProtocolError(replies.BAD_SYNTAX)
    text, separator, parameters = rest.partition("> ")
    if '"' in text:
        return _split_quoted_path(rest, bad)
    path = parse_path(text + ">" if separator else rest)
    if path is None:
        raise RemoteProtocolError(bad)
    return path, parameters


def _split_quoted_path(rest: str, bad: Reply) -> tuple[Mailbox | NullPath, str]:
    """Split where a quoted local part may itself hold `> `: try each place in turn."""
    end = rest.find(">")
    while 0 <= end < MAX_PATH:
        path = parse_path(rest[: end + 1])
        if path is not None and rest[end + 1 : end + 2] in ("", " "):
            return path, rest[end + 2 :]
        end = rest.find(">", end + 1)
    raise RemoteProtocolError(bad)


HANDLERS: dict[str, Callable[[ServerConnection, str], None]] = {
    "EHLO": ServerConnection._do_ehlo,
    "HELO": ServerConnection._do_helo,
    "MAIL": ServerConnection._do_mail,
    "RCPT": ServerConnection._do_rcpt,
    "DATA": ServerConnection._do_data,
    "RSET": ServerConnection._do_rset,
    "NOOP": ServerConnection._do_noop,
    "HELP": ServerConnection._do_help,
    "VRFY": ServerConnection._do_vrfy,
    "QUIT": ServerConnection._do_quit,
    "STARTTLS": ServerConnection._do_starttls,
    "AUTH": ServerConnection._do_auth,
}

"""ClientConnection: SMTP and LMTP from the sender's side, without I/O.

Commands are queued and go out as far as RFC 2920 allows: all of an envelope in one write when the
server offers PIPELINING, and the next envelope right behind the final dot.  Each reply is given to
the command it answers; each transaction ends with one `Delivered` that has a word for every
recipient.  Nothing that came from a peer or a caller can put a CR or LF into a command.
"""

from collections import deque
from collections.abc import Callable

from meta1.smtp.delivery import CONNECTION_LOST, Command, Delivery, delivery_of, refusal_of
from meta1.smtp.errors import LocalProtocolError
from meta1.smtp.events import (
    Capabilities,
    ClientEvent,
    ContentWanted,
    Delivered,
    ServerReady,
    SessionEnded,
    TlsReady,
    TlsRefused,
)
from meta1.smtp.framing import DotStuffer
from meta1.smtp.outgoing import NO_DSN, Outgoing, mail_command, recipient_command
from meta1.smtp.reply import Reply, reply
from meta1.smtp.reply_reader import ReplyReader, ReplyUnreadable, read_capabilities

TOO_LARGE = reply(552, "5.3.4", "Message is larger than the server takes")


class ClientConnection:
    """One session of an SMTP or LMTP client."""

    def __init__(self, hello_name: str, *, lmtp: bool = False) -> None:
        """Wait for the greeting of the server."""
        self.is_lmtp = lmtp
        self.is_tls = False
        self.is_over = False
        self.capabilities = Capabilities("", {})
        self._hello_name = _checked(hello_name)
        self._reader = ReplyReader()
        self._todo: deque[Command] = deque()
        self._waiting: deque[Command] = deque([Command("greeting", b"")])
        self._out: list[bytes] = []
        self._events: list[ClientEvent] = []
        self._count = 0
        self._sending: Delivery | None = None
        self._stuffer = DotStuffer()
        self._handshake = False
        self._is_ready = False

    # ---- what the shell calls --------------------------------------------------------------

    @property
    def phase(self) -> str:
        """Name what the server is awaited to answer: RFC 5321 4.5.3.2 has a time-out for each."""
        return self._waiting[0].verb if self._waiting else ""

    @property
    def is_idle(self) -> bool:
        """Say whether nothing is under way."""
        return not (self._waiting or self._todo or self._sending)

    def deliver(self, outgoing: Outgoing) -> int:
        """Queue a transaction; give the number that its events will carry."""
        if not self._is_ready or self.is_over or not outgoing.recipients:
            raise LocalProtocolError("a transaction needs a session that is ready, and recipients")
        self._count += 1
        number = len(outgoing.recipients)
        delivery = Delivery(self._count, outgoing, [None] * number, [""] * number)
        limit = self.capabilities.keywords.get("SIZE", "")
        if limit.isdigit() and 0 < int(limit) < outgoing.size:
            delivery.decide_rest(TOO_LARGE, "MAIL")
            self._finish(delivery)
        else:
            self._queue_envelope(delivery)
        self._advance()
        return self._count

    def take_events(self) -> list[ClientEvent]:
        """Take events that arose from a call rather than from the server's bytes."""
        events, self._events = self._events, []
        return events

    def send_content(self, chunk: bytes) -> None:
        """Send the next piece of the content that `ContentWanted` asked for.

        The server may have ended the session right behind its 354; then there is nobody to send to.
        """
        if self.is_over:
            return
        if self._sending is None:
            raise LocalProtocolError("no content was asked for")
        self._out.append(self._stuffer.feed(chunk))

    def end_content(self) -> None:
        """Send the final dot; what is queued may follow at once."""
        if self.is_over:
            return
        if self._sending is None:
            raise LocalProtocolError("no content was asked for")
        self._out.append(self._stuffer.finish())
        delivery, self._sending = self._sending, None
        # RFC 2033 4.2: LMTP answers the dot once for each accepted recipient.
        delivery.final_replies = len(delivery.accepted) if self.is_lmtp else 1
        for position in range(delivery.final_replies):
            self._waiting.append(Command("content", b"", delivery, position))
        self._advance()

    def start_tls(self) -> None:
        """Ask for TLS; only as the first thing after `ServerReady`."""
        if "STARTTLS" not in self.capabilities or self.is_tls or not self.is_idle:
            raise LocalProtocolError("STARTTLS is not possible now")
        self._is_ready = False
        self._queue("STARTTLS", b"STARTTLS")
        self._advance()

    def tls_started(self) -> None:
        """Say EHLO again inside TLS; RFC 3207 4.2: what the server said before is forgotten."""
        if not self._handshake:
            raise LocalProtocolError("no TLS handshake was under way")
        self._handshake, self.is_tls = False, True
        self.capabilities = Capabilities("", {})
        self._say_hello()
        self._advance()

    def quit(self) -> None:
        """End the session in good order; `SessionEnded` follows."""
        if not self.is_over:
            self._queue("QUIT", b"QUIT")
            self._advance()

    def connection_lost(self, error: str = "connection lost") -> list[ClientEvent]:
        """Tell that the connection is gone; every open recipient gets a transient word."""
        self._end(None, error)
        return self.take_events()

    def receive_data(self, data: bytes) -> list[ClientEvent]:
        """Take bytes from the server; give what follows from them."""
        if self.is_over or self._handshake:
            # Clear text behind the 220 of STARTTLS must never count as if it came encrypted.
            return self.take_events()
        try:
            self._reader.feed(data)
            while not (self.is_over or self._handshake):
                answer = self._reader.take()
                if answer is None:
                    break
                self._handle(answer)
        except ReplyUnreadable as error:
            self._end(None, str(error))
        self._advance()
        return self.take_events()

    def bytes_to_send(self) -> bytes:
        """Take all bytes gathered so far: they belong into one write."""
        data = b"".join(self._out)
        self._out.clear()
        return data

    # ---- commands out ----------------------------------------------------------------------

    def _queue(
        self, verb: str, line: bytes, delivery: Delivery | None = None, index: int = 0
    ) -> None:
        self._todo.append(Command(verb, line, delivery, index))

    def _say_hello(self) -> None:
        verb = "LHLO" if self.is_lmtp else "EHLO"
        self._queue(verb, f"{verb} {self._hello_name}".encode("ascii"))

    def _queue_envelope(self, delivery: Delivery) -> None:
        outgoing = delivery.outgoing
        line = mail_command(outgoing, self.capabilities)
        lines = [
            recipient_command(path, dsn if "DSN" in self.capabilities else NO_DSN)
            for path, dsn in outgoing.recipients
        ]
        self._queue("MAIL", line, delivery)
        for index, recipient in enumerate(lines):
            self._queue("RCPT", recipient, delivery, index)
        self._queue("DATA", b"DATA", delivery)

    def _queue_reset(self) -> None:
        """Put RSET before everything queued, once."""
        if not self._todo or self._todo[0].verb != "RSET":
            self._todo.appendleft(Command("RSET", b"RSET"))

    def _advance(self) -> None:
        """Send queued commands as far as the replies that are still out allow."""
        while self._todo and self._may_send(self._todo[0]):
            command = self._todo.popleft()
            self._out.append(command.line + b"\r\n")
            self._waiting.append(command)

    def _may_send(self, command: Command) -> bool:
        if self._sending is not None or self.is_over or self._handshake:
            return False
        if not self._waiting:
            return True
        # RFC 2920 3.1: only these may be followed by others before they are answered.
        last = self._waiting[-1].verb
        return "PIPELINING" in self.capabilities and last in ("MAIL", "RCPT", "RSET", "content")

    # ---- replies in ------------------------------------------------------------------------

    def _handle(self, answer: Reply) -> None:
        if not self._waiting:
            self._end(answer, "" if answer.code == 421 else "reply without a command")
            return
        if answer.code == 421:
            # RFC 5321 3.8: the server may say this at any time and then closes.
            self._end(answer, "")
            return
        command = self._waiting.popleft()
        HANDLERS[command.verb](self, command, answer)

    def _on_greeting(self, command: Command, answer: Reply) -> None:
        if answer.code != 220:
            self._end(answer, "greeting refused")
            return
        self._say_hello()

    def _on_hello(self, command: Command, answer: Reply) -> None:
        if answer.code == 250:
            self.capabilities = read_capabilities(answer)
            self._be_ready()
        elif command.verb == "EHLO" and not answer.is_transient:
            self._queue("HELO", f"HELO {self._hello_name}".encode("ascii"))
        else:
            self._end(answer, f"{command.verb} refused")

    def _on_helo(self, command: Command, answer: Reply) -> None:
        if answer.code != 250:
            self._end(answer, "HELO refused")
            return
        self._be_ready()

    def _be_ready(self) -> None:
        self._is_ready = True
        self._events.append(ServerReady(self.capabilities))

    def _on_starttls(self, command: Command, answer: Reply) -> None:
        if answer.code != 220:
            self._is_ready = True
            self._events.append(TlsRefused(answer))
        elif self._reader.pending:
            self._end(None, "bytes behind the reply to STARTTLS")
        else:
            self._handshake = True
            self._events.append(TlsReady())

    def _on_mail(self, command: Command, answer: Reply) -> None:
        delivery = delivery_of(command)
        if answer.is_success:
            return
        delivery.decide_rest(refusal_of(answer), "MAIL")
        self._drop_todo(delivery)
        # Cyrus lmtpd keeps a half-open transaction after a refused MAIL.
        self._queue_reset()
        self._finish_if_quiet(delivery)

    def _on_rcpt(self, command: Command, answer: Reply) -> None:
        delivery = delivery_of(command)
        if answer.is_success and delivery.results[command.index] is None:
            delivery.accepted.append(command.index)
        else:
            delivery.decide(command.index, refusal_of(answer), "RCPT")
        self._finish_if_quiet(delivery)

    def _on_data(self, command: Command, answer: Reply) -> None:
        delivery = delivery_of(command)
        if answer.code == 354 and delivery.accepted:
            self._sending, self._stuffer = delivery, DotStuffer()
            self._events.append(ContentWanted(delivery.number))
        elif answer.code == 354:
            self._finish(delivery)
            self._send_empty()
        else:
            delivery.decide_rest(refusal_of(answer), "DATA")
            self._queue_reset()
            self._finish(delivery)

    def _send_empty(self) -> None:
        """End a mail that nobody gets: pipelined DATA was accepted after all RCPT were refused."""
        if self.is_lmtp:
            # RFC 2033 leaves open how many replies come; a new connection is surer.
            self._end(None, "DATA accepted without recipients")
            return
        self._out.append(b".\r\n")
        self._waiting.append(Command("RSET", b""))

    def _on_content(self, command: Command, answer: Reply) -> None:
        delivery = delivery_of(command)
        word = answer if answer.is_success else refusal_of(answer)
        if self.is_lmtp:
            delivery.decide(delivery.accepted[command.index], word, "content")
        else:
            delivery.decide_rest(word, "content")
        if command.index == delivery.final_replies - 1:
            self._finish(delivery)

    def _on_ignored(self, command: Command, answer: Reply) -> None:
        """RSET: whatever the answer, the next MAIL will show how things stand."""

    def _on_quit(self, command: Command, answer: Reply) -> None:
        self._end(answer, "")

    # ---- endings ---------------------------------------------------------------------------

    def _drop_todo(self, delivery: Delivery) -> None:
        self._todo = deque(one for one in self._todo if one.delivery is not delivery)

    def _finish_if_quiet(self, delivery: Delivery) -> None:
        """Finish a refused transaction once no reply of it is awaited or can still be asked for."""
        if any(one.delivery is delivery for one in self._waiting):
            return
        if all(word is not None for word in delivery.results):
            self._drop_todo(delivery)
            self._queue_reset()
            self._finish(delivery)

    def _finish(self, delivery: Delivery) -> None:
        if delivery.is_over:
            return
        delivery.is_over = True
        words = tuple(word or CONNECTION_LOST for word in delivery.results)
        self._events.append(Delivered(delivery.number, words, tuple(delivery.stages)))

    def _end(self, answer: Reply | None, error: str) -> None:
        """End the session; what is open becomes transient, whatever the server said last."""
        if self.is_over:
            return
        self.is_over = True
        commands = [*self._waiting, *self._todo]
        open_ones = [one.delivery for one in commands if one.delivery is not None]
        if self._sending is not None:
            open_ones.insert(0, self._sending)
        word = answer if answer is not None and answer.is_transient else CONNECTION_LOST
        for delivery in open_ones:
            delivery.decide_rest(word, self._waiting[0].verb if self._waiting else "session")
            self._finish(delivery)
        self._waiting.clear()
        self._todo.clear()
        self._sending = None
        self._events.append(SessionEnded(answer, error))


def _checked(text: str) -> str:
    if not (text.isascii() and text.isprintable()) or " " in text or not text:
        raise LocalProtocolError("a command may hold only printable ASCII")
    return text


HANDLERS: dict[str, Callable[[ClientConnection, Command, Reply], None]] = {
    "greeting": ClientConnection._on_greeting,
    "EHLO": ClientConnection._on_hello,
    "LHLO": ClientConnection._on_hello,
    "HELO": ClientConnection._on_helo,
    "STARTTLS": ClientConnection._on_starttls,
    "MAIL": ClientConnection._on_mail,
    "RCPT": ClientConnection._on_rcpt,
    "DATA": ClientConnection._on_data,
    "content": ClientConnection._on_content,
    "RSET": ClientConnection._on_ignored,
    "QUIT": ClientConnection._on_quit,
}

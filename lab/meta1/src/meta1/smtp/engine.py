"""The part of the SMTP server that knows no command: buffer, order of replies, limits, content.

MAIL and RCPT are handed to the shell without waiting for each other's decision; every other
command waits until all earlier ones are answered, so that replies keep their order and a
pipelining client costs one question round, not one per command.  `server.py` adds the commands.
"""

import base64
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from meta1.smtp import reply as replies
from meta1.smtp.errors import LocalProtocolError
from meta1.smtp.events import (
    Closing,
    ContentArrived,
    ContentComplete,
    ContentRefused,
    Rejected,
    ServerEvent,
)
from meta1.smtp.framing import ContentReader, Fault, LineBuffer
from meta1.smtp.reply import Reply, encoded, reply
from meta1.smtp.settings import ServerSettings
from meta1.smtp.state import (
    END_OF_CONTENT,
    EXCHANGE_DONE,
    GREETED,
    GREETING_REFUSED,
    HANDSHAKE_DONE,
    State,
    next_state,
    refusal,
)

# RFC 4954 section 4: an AUTH line may have 12288 octets.
AUTH_LINE = 12288 + 2
MAX_WAITING = 100
"""Commands that wait for a decision; more stay in the buffer, which is no longer read into then."""
_FAULTS = {Fault.BARE_LINE_END: replies.BARE_LINE_END, Fault.TOO_LONG: replies.LINE_TOO_LONG}


@dataclass(slots=True)
class _Slot:
    """A command that waits for its reply."""

    verb: str
    reply: Reply | None = None
    argument: str = ""


class ServerEngine:
    """Everything of a session but the commands themselves."""

    def __init__(self, settings: ServerSettings) -> None:
        """Start before the greeting."""
        self.settings = settings
        self.state = State.GREETING
        self.hello_name = ""
        self.is_extended = False
        self.is_tls = False
        self.is_authenticated = False
        self.errors = 0
        self.auth_failures = 0
        self.recipients = 0
        self._junk = 0
        self._ahead = State.GREETING
        self._lines = LineBuffer()
        self._out: list[bytes] = []
        self._events: list[ServerEvent] = []
        self._slots: deque[_Slot] = deque()
        self._argument = ""
        self._first = 0
        self._content: ContentReader | None = None
        self._content_refused = False

    # ---- what the shell calls --------------------------------------------------------------

    @property
    def backlog(self) -> int:
        """Count bytes received but not yet processed, so that the shell can stop reading."""
        return len(self._lines)

    @property
    def is_waiting(self) -> bool:
        """Say whether the client waits for a decision of ours."""
        return bool(self._slots)

    @property
    def is_closed(self) -> bool:
        """Say whether the session is over."""
        return self.state is State.CLOSED

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """List the AUTH mechanisms offered now."""
        return self.settings.mechanisms_in_tls if self.is_tls else self.settings.mechanisms

    def greet(self, answer: Reply | None = None) -> list[ServerEvent]:
        """Send the banner or a refusal: 421 ends the session, behind 554 QUIT is awaited."""
        self._require(State.GREETING)
        if answer is not None and answer.is_transient:
            return self.close(answer, "refused")
        if answer is not None and not answer.is_positive:
            self._send(answer)
            self._move(GREETING_REFUSED)
            return self._pump()
        banner = f"{self.settings.host_name} ESMTP {self.settings.product}"
        self._send(answer or reply(220, "", banner))
        self._move(GREETED)
        return self._pump()

    def receive_data(self, data: bytes) -> list[ServerEvent]:
        """Take bytes from the client; give what follows from them."""
        if self.state in (State.CLOSED, State.HANDSHAKE):
            # Bytes in clear text after STARTTLS must never be read as if they came encrypted.
            return []
        if self.state is State.GREETING:
            return self.close(replies.SPOKE_FIRST, "spoke before the greeting")
        self._lines.feed(data)
        return self._pump()

    def answer(self, number: int, decision: Reply) -> list[ServerEvent]:
        """Decide what an event asked; the events of commands that waited behind it follow."""
        if self.state is State.CLOSED:
            return []
        index = number - self._first
        if not 0 <= index < len(self._slots) or self._slots[index].reply is not None:
            raise LocalProtocolError(f"no decision is open under number {number}")
        self._slots[index].reply = decision
        self._settle()
        return self._pump()

    def challenge(self, number: int, data: bytes) -> list[ServerEvent]:
        """Send the next challenge of an AUTH exchange."""
        self._require(State.EXCHANGE)
        if number != self._first or not self._slots:
            raise LocalProtocolError(f"no exchange is open under number {number}")
        self._slots.popleft()
        self._first += 1
        self._out.append(b"334 " + base64.b64encode(data) + b"\r\n")
        return self._pump()

    def tls_started(self) -> None:
        """Go on inside TLS; RFC 3207 4.2: what was said before is forgotten."""
        self._require(State.HANDSHAKE)
        self.is_tls = True
        self.is_authenticated = self.is_extended = False
        self.hello_name = ""
        self._lines.clear()
        self._move(HANDSHAKE_DONE)

    def close(self, answer: Reply | None, reason: str) -> list[ServerEvent]:
        """End the session now, with a last reply if one is given."""
        if self.state is State.CLOSED:
            return []
        if answer is not None and self.state is not State.HANDSHAKE:
            self._send(answer)
        self._end(reason)
        return self._take_events()

    def bytes_to_send(self) -> bytes:
        """Take all reply bytes gathered so far: they belong into one write."""
        data = b"".join(self._out)
        self._out.clear()
        return data

    # ---- the pump --------------------------------------------------------------------------

    def _take_events(self) -> list[ServerEvent]:
        events, self._events = self._events, []
        return events

    def _pump(self) -> list[ServerEvent]:
        """Process the buffer until it is empty or a decision is wanted first."""
        while len(self._lines) and self.state not in (State.CLOSED, State.HANDSHAKE):
            if self._content is not None:
                if self._slots:
                    break
                self._read_content(self._content)
            elif not self._read_line():
                break
        return self._take_events()

    def _read_line(self) -> bool:
        """Process one line; False when there is none or it has to wait."""
        long = self.state is State.EXCHANGE or self._lines.starts_with(b"AUTH ")
        line = self._lines.look(AUTH_LINE if long else self.settings.max_command_line)
        if line is None or (self._slots and not self._may_overtake()):
            return False
        self._lines.take()
        if isinstance(line, Fault):
            self._refuse("", _FAULTS[line])
        elif self.state is State.EXCHANGE:
            self._continue_exchange(line)
        elif line.isascii() and (text := line.decode("ascii")).isprintable():
            self._dispatch(text)
        else:
            self._refuse("", replies.CONTROL_CHARACTER)
        return True

    def _may_overtake(self) -> bool:
        """Say whether the next line need not wait for decisions: RCPT behind MAIL or RCPT only.

        Behind DATA or AUTH the same bytes are content, or a response.
        """
        if self._ahead not in (State.MAIL, State.RECIPIENT) or not self._lines.starts_with(b"RCPT"):
            return False
        return len(self._slots) < MAX_WAITING

    def _dispatch(self, text: str) -> None:
        """Run one command; the subclass knows which there are."""
        raise NotImplementedError

    def _continue_exchange(self, line: bytes) -> None:
        """Take one line of an AUTH exchange; the subclass knows what it means."""
        raise NotImplementedError

    def close_later(self, answer: Reply, reason: str) -> None:
        """End the session from within the pump."""
        self._send(answer)
        self._end(reason)

    def _end(self, reason: str) -> None:
        self.state = self._ahead = State.CLOSED
        self._slots.clear()
        self._lines.clear()
        self._content = None
        self._events.append(Closing(reason))

    def _send(self, answer: Reply) -> None:
        self._out.append(encoded(answer))

    def _move(self, verb: str) -> None:
        """Follow the table."""
        state = next_state(self.state, verb)
        if state is None:
            raise LocalProtocolError(f"{verb} in state {self.state.value}")
        self.state = self._ahead = state

    def _require(self, state: State) -> None:
        if self.state is not state:
            raise LocalProtocolError(f"wanted state {state.value}, not {self.state.value}")

    def _refuse(self, verb: str, answer: Reply) -> None:
        """Refuse a command, in turn if others wait before it."""
        if self._slots:
            self._slots.append(_Slot(verb, answer, self._argument))
            return
        self._send(answer)
        self._count_refusal(verb, answer, self._argument)

    def _count_refusal(self, verb: str, answer: Reply, argument: str = "") -> None:
        self._events.append(Rejected(answer, verb, argument))
        # A transient refusal is no fault of the client: it was asked to come again.
        self.errors += not answer.is_transient
        if self.errors > self.settings.max_errors:
            self.close_later(replies.TOO_MANY_ERRORS, "too many errors")

    # ---- decisions -------------------------------------------------------------------------

    def _ask(self, verb: str, ahead: State) -> int:
        """Open a slot for a decision; give its number."""
        self._ahead = ahead
        self._slots.append(_Slot(verb, None, self._argument))
        return self._first + len(self._slots) - 1

    def _settle(self) -> None:
        """Send the replies that are decided, as far as no earlier one is missing."""
        while self._slots and (decision := self._slots[0].reply) is not None:
            slot = self._slots.popleft()
            self._first += 1
            self._argument = slot.argument
            SETTLERS.get(slot.verb, ServerEngine._settle_plain)(self, decision)
        if not self._slots:
            self._ahead = self.state

    def _settle_plain(self, decision: Reply) -> None:
        self._send(decision)
        self._count_refusal("", decision)

    def _settle_mail(self, decision: Reply) -> None:
        self._send(decision)
        if decision.is_positive:
            self.state = State.MAIL
            self._junk = 0
        else:
            self._count_refusal("MAIL", decision, self._argument)

    def _settle_recipient(self, decision: Reply) -> None:
        if (state := next_state(self.state, "RCPT")) is None:
            # MAIL was refused after the client had pipelined this: not counted as one more error.
            self._send(refusal(self.state, "RCPT"))
            return
        self._send(decision)
        if decision.is_positive:
            self.state = state
            self.recipients += 1
        else:
            self._count_refusal("RCPT", decision, self._argument)

    def _settle_data(self, decision: Reply) -> None:
        self._send(decision)
        if decision.code == 354:
            limits = self.settings
            self._content = ContentReader(
                limits.max_message_size, limits.max_content_line, limits.max_hops
            )
            self._content_refused = False
            self.state = State.CONTENT
        else:
            self._count_refusal("DATA", decision)

    def _settle_content(self, decision: Reply) -> None:
        self._content = None
        self._send(decision)
        self._move(END_OF_CONTENT)
        if not decision.is_positive:
            self._events.append(Rejected(decision, "DATA"))

    def _settle_exchange(self, decision: Reply) -> None:
        self._send(decision)
        self._move(EXCHANGE_DONE)
        if decision.is_positive:
            self.is_authenticated = True
            return
        self._events.append(Rejected(decision, "AUTH"))
        self._count_auth_failure()

    def _count_auth_failure(self) -> None:
        self.auth_failures += 1
        if self.auth_failures >= self.settings.max_auth_failures:
            self.close_later(replies.TOO_MANY_AUTHS, "too many failed authentications")

    # ---- content ---------------------------------------------------------------------------

    def _read_content(self, reader: ContentReader) -> None:
        chunk, rest = reader.feed(self._lines.take_all())
        if reader.fault is not None:
            if not self._content_refused:
                self._content_refused = True
                self._events.append(ContentRefused(reader.fault))
        elif chunk:
            self._events.append(ContentArrived(chunk))
        if rest is None:
            return
        self._lines.feed(rest)
        number = self._ask(END_OF_CONTENT, State.CONTENT)
        if reader.fault is not None:
            self._slots[0].reply = reader.fault
            self._settle()
        else:
            self._events.append(ContentComplete(number, reader.size, reader.hops))


SETTLERS: dict[str, Callable[[ServerEngine, Reply], None]] = {
    "MAIL": ServerEngine._settle_mail,
    "RCPT": ServerEngine._settle_recipient,
    "DATA": ServerEngine._settle_data,
    "AUTH": ServerEngine._settle_exchange,
    END_OF_CONTENT: ServerEngine._settle_content,
}

"""The states of an SMTP server session, as one table.

    START --EHLO--> READY --MAIL--> MAIL --RCPT--> RECIPIENT --DATA--> CONTENT --end--> READY
    READY --STARTTLS--> HANDSHAKE --done--> START        READY --AUTH--> EXCHANGE --done--> READY
    GREETING --554--> REFUSED --QUIT--> CLOSED

A verb that a state does not list is out of sequence and gets the reply of `OUT_OF_SEQUENCE`.
Every change of state is in this file; the table knows nothing of replies, policy or I/O, and the
diagram in the book is drawn from it.
"""

import enum

from meta1.smtp import reply as replies
from meta1.smtp.reply import Reply


class State(enum.Enum):
    """Where a session stands."""

    # The table is asked several times a command: by identity is three times as fast as by name.
    __hash__ = object.__hash__

    GREETING = "greeting"
    REFUSED = "refused"
    START = "start"
    READY = "ready"
    MAIL = "mail"
    RECIPIENT = "recipient"
    CONTENT = "content"
    EXCHANGE = "exchange"
    HANDSHAKE = "handshake"
    CLOSED = "closed"


# Not commands of the client, but they move the session all the same.
GREETED = "(greeting sent)"
GREETING_REFUSED = "(554 sent)"
END_OF_CONTENT = "(end of content)"
EXCHANGE_DONE = "(exchange done)"
HANDSHAKE_DONE = "(handshake done)"

_ANYWHERE = ("NOOP", "HELP", "VRFY")


def _row(state: State, reset: State, **moves: State) -> dict[str, State]:
    """Make one row: its own moves, what is allowed everywhere, and how it is left."""
    row = dict.fromkeys(_ANYWHERE, state)
    return row | {"RSET": reset, "EHLO": State.READY, "HELO": State.READY} | moves


_Q = State.CLOSED
TABLE: dict[State, dict[str, State]] = {
    State.GREETING: {GREETED: State.START, GREETING_REFUSED: State.REFUSED},
    # RFC 5321 3.1: behind 554 a server waits for QUIT, and answers 503 to all else.
    State.REFUSED: {"QUIT": _Q},
    State.START: _row(State.START, State.START, QUIT=_Q),
    State.READY: _row(
        State.READY,
        State.READY,
        QUIT=_Q,
        MAIL=State.MAIL,
        AUTH=State.EXCHANGE,
        STARTTLS=State.HANDSHAKE,
    ),
    State.MAIL: _row(State.MAIL, State.READY, QUIT=_Q, RCPT=State.RECIPIENT),
    State.RECIPIENT: _row(
        State.RECIPIENT, State.READY, QUIT=_Q, RCPT=State.RECIPIENT, DATA=State.CONTENT
    ),
    State.CONTENT: {END_OF_CONTENT: State.READY},
    State.EXCHANGE: {EXCHANGE_DONE: State.READY},
    State.HANDSHAKE: {HANDSHAKE_DONE: State.START},
    State.CLOSED: {},
}
TRANSACTION = frozenset({State.MAIL, State.RECIPIENT, State.CONTENT})

OUT_OF_SEQUENCE: dict[tuple[State, str], Reply] = {
    (State.START, "MAIL"): replies.HELLO_FIRST,
    (State.START, "RCPT"): replies.HELLO_FIRST,
    (State.START, "DATA"): replies.HELLO_FIRST,
    (State.START, "AUTH"): replies.HELLO_FIRST,
    (State.START, "STARTTLS"): replies.HELLO_FIRST,
    (State.READY, "RCPT"): replies.MAIL_FIRST,
    (State.READY, "DATA"): replies.MAIL_FIRST,
    (State.MAIL, "MAIL"): replies.NESTED_MAIL,
    (State.MAIL, "DATA"): replies.RECIPIENT_FIRST,
    (State.MAIL, "AUTH"): replies.NOT_IN_TRANSACTION,
    (State.MAIL, "STARTTLS"): replies.NOT_IN_TRANSACTION,
    (State.RECIPIENT, "MAIL"): replies.NESTED_MAIL,
    (State.RECIPIENT, "AUTH"): replies.NOT_IN_TRANSACTION,
    (State.RECIPIENT, "STARTTLS"): replies.NOT_IN_TRANSACTION,
}


def next_state(state: State, verb: str) -> State | None:
    """Look up where a verb leads; None if it is out of sequence."""
    return TABLE[state].get(verb)


def refusal(state: State, verb: str) -> Reply:
    """Look up what to answer to a verb that is out of sequence."""
    return OUT_OF_SEQUENCE.get((state, verb), replies.BAD_SEQUENCE)

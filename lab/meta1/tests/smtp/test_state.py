"""The state table is complete and agrees with the reply table."""

from meta1.smtp.reply import BAD_SEQUENCE
from meta1.smtp.server import HANDLERS
from meta1.smtp.state import OUT_OF_SEQUENCE, TABLE, State, next_state, refusal

WAITING = (State.START, State.READY, State.MAIL, State.RECIPIENT)


def test_every_state_has_a_row() -> None:
    """No state is forgotten, and each but the last can be left."""
    assert set(TABLE) == set(State)
    assert all(TABLE[state] for state in State if state is not State.CLOSED)


def test_every_state_can_be_reached() -> None:
    """From the greeting on, all states lie on some path."""
    reached, todo = set(), [State.GREETING]
    while todo:
        state = todo.pop()
        if state not in reached:
            reached.add(state)
            todo.extend(TABLE[state].values())
    assert reached == set(State)


def test_each_command_is_allowed_or_refused_with_a_reason() -> None:
    """In each state that reads commands every verb has a move or a reply, never both."""
    for state in WAITING:
        for verb in HANDLERS:
            allowed = next_state(state, verb) is not None
            assert allowed != ((state, verb) in OUT_OF_SEQUENCE), (state, verb)


def test_unlisted_pairs() -> None:
    """A pair nobody thought of is a bad sequence."""
    assert refusal(State.CLOSED, "NOOP") is BAD_SEQUENCE

"""Every dialog under dialogs/ holds when it is played against the server core."""

from pathlib import Path

import pytest
from receiver import DIALOGS, Receiver, bytes_of, fits, steps_of


def expect(lines: list[str], pattern: str, receiver: Receiver) -> None:
    """Take from the reply lines what one S: step describes."""
    if pattern == "(closed)":
        assert receiver.closed
        return
    assert lines, f"nothing came for {pattern!r}"
    assert fits(pattern, lines.pop(0)), pattern
    while pattern.endswith("-*") and lines and fits(pattern, lines[0]):
        lines.pop(0)


# The point of these is bytes that come together.
ONLY_WHOLE = {"eager", "starttls-injection"}
CASES = [
    pytest.param(path, bytewise, id=f"{path.stem}-{'bytewise' if bytewise else 'whole'}")
    for path in sorted(DIALOGS.glob("*.txt"))
    for bytewise in (False, True)
    if not (bytewise and path.stem in ONLY_WHOLE)
]


@pytest.mark.parametrize(("path", "bytewise"), CASES)
def test_dialog(path: Path, bytewise: bool) -> None:
    """The core answers as written, whether bytes come together or one by one."""
    receiver, pending = Receiver(), b""
    lines = receiver.core.bytes_to_send().decode().splitlines()
    for kind, text in steps_of(path):
        if kind != "S":
            pending += bytes_of(kind, text)
            continue
        pieces = [pending[i : i + 1] for i in range(len(pending))] if bytewise else [pending]
        lines += b"".join(receiver.feed(piece) for piece in pieces).decode().splitlines()
        pending = b""
        expect(lines, text, receiver)
    assert not lines and not pending


def test_mail_of_dialogs_arrives_unstuffed() -> None:
    """Content is stored with the dots taken off, exactly once."""
    receiver = Receiver()
    for kind, text in steps_of(DIALOGS / "dots.txt"):
        if kind != "S":
            receiver.feed(bytes_of(kind, text))
    assert receiver.mails == [b"Subject: dots\r\n\r\n.\r\n.two\r\none\r\n"]

"""What qmgrctl prints."""

from __future__ import annotations

import pytest

from meta1.tools.qmgrctl import show


@pytest.mark.parametrize(
    ("line", "printed"),
    [
        ("taking mail\tyes", "taking mail                 yes"),
        ("to lmtp:/var/imap/socket/lmtp\t0 ready", "to lmtp:/var/imap/socket/lmtp 0 ready"),
        ("2 messages are tried again", "2 messages are tried again"),
    ],
)
def test_columns(line: str, printed: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Two columns, apart also where the first is long; a line without a tab as it is."""
    show(line)
    assert capsys.readouterr().out == f"{printed}\n"

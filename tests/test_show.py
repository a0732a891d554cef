"""Real files, shown whole and by part."""

from pathlib import Path

import pytest

from lab.errors import LabError, UnknownName
from lab.show import show

CONF = """\
# Settings.
# [main]
admins: cyrus
# [tls]
  tls_server_cert: /etc/ssl/cert.pem

  tls_server_key: /etc/ssl/key.pem
# [/tls]
# [/main]
# [section] of a comment is no marker
"""


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lab/files of our own."""
    folder = tmp_path / "lab/files/etc"
    folder.mkdir(parents=True)
    (folder / "imapd.conf").write_text(CONF)
    (folder / "cyrus.conf").write_text("START {}\n")
    monkeypatch.setattr("lab.config.ROOT", tmp_path)
    return folder


def test_a_file_is_shown_without_its_markers(capsys: pytest.CaptureFixture[str]) -> None:
    """They are for us, not for the reader."""
    show("etc/imapd.conf")
    assert capsys.readouterr().out == (
        "# Settings.\nadmins: cyrus\n  tls_server_cert: /etc/ssl/cert.pem\n\n"
        "  tls_server_key: /etc/ssl/key.pem\n# [section] of a comment is no marker\n"
    )


def test_a_part_is_shown_at_the_left_margin(capsys: pytest.CaptureFixture[str]) -> None:
    """With the empty lines in it."""
    show("/etc/imapd.conf", part="tls")
    assert capsys.readouterr().out == (
        "tls_server_cert: /etc/ssl/cert.pem\n\ntls_server_key: /etc/ssl/key.pem\n"
    )


def test_a_part_may_hold_another(capsys: pytest.CaptureFixture[str]) -> None:
    """The inner one's markers are not shown either."""
    show("etc/imapd.conf", part="main")
    assert "[" not in capsys.readouterr().out


def test_an_unknown_file_or_part_is_told_with_the_nearest() -> None:
    """A typing error costs a second, not a search."""
    with pytest.raises(UnknownName, match=r"did you mean etc/imapd\.conf"):
        show("etc/imap.conf")
    with pytest.raises(UnknownName, match="did you mean tls"):
        show("etc/imapd.conf", part="tsl")


def test_no_way_out_of_the_folder() -> None:
    """Only files that the book ships."""
    with pytest.raises(UnknownName):
        show("../../etc/passwd")


@pytest.mark.parametrize(
    "text", ["# [a]\nx\n", "# [a]\n# [/a]\n# [a]\n# [/a]\n", "# [/a]\n# [a]\n"]
)
def test_a_part_that_is_not_closed_once_is_an_error(files: Path, text: str) -> None:
    """Rather than showing the rest of the file."""
    (files / "bad.conf").write_text(text)
    with pytest.raises(LabError, match="part 'a' needs one start and one end"):
        show("etc/bad.conf", part="a")

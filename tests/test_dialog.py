"""Talks with real programs and ports, and what a reader sees of them."""

from __future__ import annotations

import socketserver
import threading
import time
from collections.abc import Iterator

import pytest

from lab import dialog
from lab.errors import CommandTimeout, LabError
from lab.host import Host

ASK = "read -p 'Name: ' n; echo hello $n; read -s -p 'Password: ' p; echo; echo got ${#p}; exit 3"


class Smtp(socketserver.StreamRequestHandler):
    """Just enough of an SMTP server for a talk."""

    def handle(self) -> None:
        """Greet, answer each line, hang up after QUIT."""
        self.wfile.write(b"220 mail.lab.example ESMTP\r\n")
        for line in self.rfile:
            match line.strip().upper().split():
                case [b"EHLO", *_]:
                    self.wfile.write(b"250-mail.lab.example\r\n250-PIPELINING\r\n250 SIZE\r\n")
                case [b"QUIT"]:
                    self.wfile.write(b"221 bye\r\n")
                    return
                case _:
                    self.wfile.write(b"500 what? " + line.rstrip() + b"\r\n")


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Port of such a server."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Smtp) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


SMTP_TALK = """\
S: 220 mail.lab.example ESMTP
C: EHLO lab
S: 250-mail.lab.example
S: 250-PIPELINING
S: 250 SIZE
C: frob
S: 500 what? frob
C: QUIT
S: 221 bye
"""


def test_a_talk_with_a_port_shows_who_said_what(
    host: Host, port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """A reply of several lines is passed up to its last."""
    with host.talk(port) as smtp:
        smtp.expect(r"^220 ")
        assert smtp.say("EHLO lab").expect(r"^250 ") == "250 SIZE"
        smtp.say("frob").expect(r"^500 ")
        smtp.say("QUIT").expect(r"^221 ")
        assert smtp.expect_eof() == 0
    assert capsys.readouterr().out == SMTP_TALK
    assert smtp.transcript == SMTP_TALK.splitlines()


@pytest.mark.parametrize("pty", [True, False])
def test_a_program_is_talked_to_on_a_terminal_or_a_pipe(
    host: Host, capsys: pytest.CaptureFixture[str], pty: bool
) -> None:
    """With the same transcript: a terminal's echo is no second voice."""
    with host.dialog("while read -r line; do echo $line $line; done; echo end", pty=pty) as program:
        program.say("one").expect("^one one$")
        program.say("two").say("three").expect("three three")
        program.close()
    assert (
        capsys.readouterr().out
        == "C: one\nS: one one\nC: two\nC: three\nS: two two\nS: three three\n"
    )


def test_a_parrot_is_heard(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    """Only one of the two lines is the terminal's echo."""
    with host.dialog("cat") as cat:
        cat.say("hello").expect("hello")
        assert cat.close() == 0
    assert capsys.readouterr().out == "C: hello\nS: hello\n"


def test_prompts_and_secrets(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    """A prompt has no line end; a password is never printed; the exit code is told."""
    with host.dialog(ASK) as program:
        assert program.expect("Name: $") == "Name: "
        program.say("bob").expect("^hello bob$")
        program.expect("Password")
        program.say("secret", secret=True).expect("^got 6$")
        assert program.expect_eof() == 3
    assert capsys.readouterr().out.splitlines() == [
        "S: Name:",
        "C: bob",
        "S: hello bob",
        "S: Password:",
        "C: ********",
        "S: got 6",
    ]


def test_half_a_line_is_no_prompt(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the rest of it comes soon."""
    monkeypatch.setattr(dialog, "SETTLE", 1.0)
    with host.dialog("printf '250 he'; sleep 0.1; echo llo; sleep 5") as program:
        assert program.expect("^250 ") == "250 hello"


def test_silent_dialogs_print_nothing_but_keep_the_transcript(
    host: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    """For checks that talk."""
    with host.dialog("echo hello", echo=False) as program:
        program.expect("hello")
    assert capsys.readouterr().out == ""
    assert program.transcript == ["S: hello"]


def test_what_is_not_said_in_time_is_told_with_the_transcript(host: Host) -> None:
    """And the program is ended."""
    with (
        pytest.raises(CommandTimeout, match=r"no '\^220 ' within 0\.8 s: echo 554") as caught,
        host.dialog("echo 554 no; printf more; sleep 32.5", timeout=0.8) as program,
    ):
        program.expect("^220 ")
    assert caught.value.output == "S: 554 no\nmore"
    host.wait_for("! pgrep -f %s", "sleep 32.[5]", timeout=3)


def test_a_program_that_ends_too_early_is_told_at_once(
    host: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not after the time-out; what it said last is shown."""
    start = time.monotonic()
    with (
        pytest.raises(LabError, match="ended before it said '220'"),
        host.dialog("printf oops; exit 1") as program,
    ):
        program.expect("220")
    assert time.monotonic() - start < 5
    assert capsys.readouterr().out == "S: oops\n"


def test_to_say_something_to_an_ended_program_is_an_error(host: Host) -> None:
    """Rather than silence."""
    with (
        pytest.raises(LabError, match="ended already: true"),
        host.dialog("true", pty=False) as program,
    ):
        program.expect_eof()
        program.say("hello")


def test_expect_eof_is_bounded(host: Host) -> None:
    """A server that should hang up but does not."""
    with (
        pytest.raises(CommandTimeout, match=r"no end within 0\.3 s"),
        host.dialog("cat") as program,
    ):
        program.expect_eof(timeout=0.3)


@pytest.mark.parametrize("pty", [True, False])
def test_close_ends_a_program_that_goes_on(
    host: Host, pty: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that does not care that its input has ended."""
    monkeypatch.setattr(dialog, "GRACE", 0.2)
    mark = "32.75" if pty else "32.875"
    with host.dialog("echo up; exec sleep %s", mark, pty=pty) as program:
        program.expect("up")
    host.wait_for("! pgrep -f %s", f"sleep {mark[:-1]}[{mark[-1]}]", timeout=4)


def test_another_user_talks(host: Host) -> None:
    """Through sudo, on a terminal as well."""
    with host.dialog("id -un; test -t 0 && cat", as_user="nobody") as program:
        program.expect("^nobody$")
        program.say("hello").expect("^hello$")


def test_standard_error_is_heard_too(host: Host) -> None:
    """A program complains there."""
    with host.dialog("echo bad >&2", pty=False) as program:
        assert program.expect("bad") == "bad"


def test_a_brief_expect_prints_only_the_line_it_waits_for(
    host: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    """The transcript still has them all."""
    with host.dialog("seq 20") as program:
        assert program.expect("^20$", brief=True) == "20"
    assert capsys.readouterr().out == "S: 20\n"
    assert program.transcript == [f"S: {n}" for n in range(1, 21)]


def test_a_long_line_is_printed_cut_and_expected_whole(
    host: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    """A base64 answer would break the page's width."""
    with host.dialog("printf '%0300d end\\n' 7") as program:
        assert len(program.expect("7 end$")) == 304
    printed = capsys.readouterr().out.rstrip()
    assert len(printed) == dialog.SHOWN
    assert printed.endswith(" ...")


def test_telnet_shows_each_line_once(
    host: Host, port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Though it turns the terminal's echo on by itself: so does this stand-in for it."""
    client = "stty -echo; stty echo; exec python3 -u -c %s"
    code = (
        "import socket, sys, threading\n"
        f"s = socket.create_connection(('127.0.0.1', {port})); f = s.makefile('rw', newline='')\n"
        "def show():\n"
        "    for line in f: sys.stdout.write(line)\n"
        "threading.Thread(target=show).start()\n"
        "for line in sys.stdin:\n"
        "    f.write(line.rstrip() + '\\r\\n'); f.flush()\n"
        "    if line.startswith('QUIT'): break\n"
    )
    with host.dialog(client, code) as smtp:
        smtp.expect("^220 ")
        smtp.say("EHLO lab").expect("^250 ")
        smtp.say("frob").expect("^500")
        smtp.say("QUIT").expect("^221")
        assert smtp.expect_eof() == 0
    assert capsys.readouterr().out == SMTP_TALK

"""What a command did, as a value and as a notebook shows it."""

import pytest

from lab.errors import CheckFailed, CommandFailed, CommandTimeout, LabError, UnknownName
from lab.result import SHOWN_LINES, Result, elide


def result(
    stdout: str = "", stderr: str = "", code: int = 0, command: str = "make check"
) -> Result:
    return Result(command, code, stdout, stderr, 0.1)


def test_text_of_a_result_is_its_output_without_the_last_line_end() -> None:
    """So that `f"{vm.run('hostname')}"` reads as one expects."""
    assert str(result("mail\n\n")) == "mail\n"
    assert result("a\nb\n").lines == ["a", "b"]
    assert result().ok
    assert not result(code=1).ok


def test_a_short_result_shows_all_it_printed() -> None:
    """Both streams, and no code where all went well."""
    assert repr(result("out\n", "err\n")) == "out\nerr"


def test_a_code_is_shown_where_it_is_the_news() -> None:
    """A failure always says so, and a silent success says at least that."""
    assert repr(result("out\n", code=3)) == "out\nexit 3"
    assert repr(result()) == "exit 0"


def test_a_long_result_is_elided_in_the_middle() -> None:
    """A notebook shows at most twelve lines, and says how many it left out."""
    shown = repr(result("".join(f"{n}\n" for n in range(100)), code=2)).splitlines()
    assert len(shown) == SHOWN_LINES
    assert shown[0] == "0"
    assert shown[-2:] == ["99", "exit 2"]
    assert shown[5] == "... 90 more lines"


@pytest.mark.parametrize("count", [0, 1, 4, 5, 50])
def test_elide_loses_no_line_uncounted(count: int) -> None:
    """Shown and counted lines together are all lines."""
    lines = [str(n) for n in range(count)]
    shown = elide(lines, 4)
    left_out = sum(int(line.split()[1]) for line in shown if line.startswith("..."))
    assert len(shown) <= 4
    assert len([line for line in shown if not line.startswith("...")]) + left_out == count


def test_an_error_says_the_next_step() -> None:
    """On a line of its own, and none where there is none."""
    assert str(LabError("no", "lab up")) == "no\n  next: lab up"
    assert str(LabError("no")) == "no"


def test_an_error_in_a_notebook_is_its_text_and_no_traceback() -> None:
    """IPython asks an exception for this before it makes a traceback of its own."""
    assert LabError("no", "lab up")._render_traceback_() == ["LabError: no", "  next: lab up"]


def test_a_failed_command_repeats_the_end_of_its_errors_unless_they_were_seen() -> None:
    """The last lines of stderr, or of stdout where stderr is empty."""
    failed = result("out\n", "".join(f"line {n}\n" for n in range(20)), code=2)
    assert str(CommandFailed(failed)).splitlines()[0] == "exit 2: make check"
    assert str(CommandFailed(failed)).splitlines()[-1] == "  | line 19"
    assert str(CommandFailed(result("out\n", code=2))) == "exit 2: make check\n  | out"
    assert str(CommandFailed(failed, shown=True)) == "exit 2: make check"


def test_a_failed_script_names_the_line() -> None:
    """By its text too, since a cell shows no numbers; else the first line stands for all."""
    script = result(code=1, command="cd /etc\ngrep -q nosuch passwd\n")
    assert str(CommandFailed(script, line=2)) == "exit 1 in line 2: grep -q nosuch passwd"
    assert str(CommandFailed(script)) == "exit 1: cd /etc ..."


def test_a_signal_is_called_a_signal() -> None:
    """SSH gives no code for it."""
    assert str(CommandFailed(result(code=-1))) == "ended by a signal: make check"


def test_a_time_out_keeps_what_was_printed() -> None:
    """Where it hangs is mostly in its last line."""
    error = CommandTimeout("make check", 1.5, "one\ntwo\n")
    assert error.output == "one\ntwo\n"
    assert str(error) == "no end within 1.5 s: make check\n  | one\n  | two"


def test_an_unknown_name_comes_with_the_nearest() -> None:
    """Or with all there are, if none is near."""
    assert (
        UnknownName("file", "imapd.cnf", ["imapd.conf", "a"]).next_step
        == "did you mean imapd.conf?"
    )
    assert UnknownName("file", "xyz", ["b", "a"]).next_step == "there are: a, b"
    assert UnknownName("file", "xyz", []).next_step == "there are none yet"


def test_a_failed_check_teaches() -> None:
    """Expected, found, and where to look; for the shell the answer is no, which is code 1."""
    error = CheckFailed("port 25 answers", "'220'", "''", "mail.log")
    assert str(error).splitlines() == [
        "port 25 answers",
        "  expected: '220'",
        "  found:    ''",
        "  next: mail.log",
    ]
    assert error.exit_code == 1

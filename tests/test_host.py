"""`Host` against a real sshd: what commands do, and what becomes of them."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from pwd import getpwuid

import pytest

from lab.errors import (
    CommandFailed,
    CommandTimeout,
    LabError,
    UnknownName,
)
from lab.host import Host

OTHER = "nobody"
MIB = 2**20
NewHost = Callable[..., Host]


def session(host: Host) -> int:
    """Process id of the sshd that serves this connection."""
    return int(str(host.run("echo $PPID")))


def test_run_keeps_the_streams_apart(host: Host) -> None:
    """And reports the command as it was run, its code and its time."""
    result = host.run("echo out; echo err >&2; exit 3", check=False)
    assert (result.stdout, result.stderr, result.code) == ("out\n", "err\n", 3)
    assert 0 < result.seconds < 10


def test_run_raises_when_the_command_fails(host: Host) -> None:
    """With the whole result in the error."""
    with pytest.raises(CommandFailed, match="exit 2: ls /nosuch") as caught:
        host.run("ls /nosuch")
    assert "No such file" in caught.value.result.stderr


def test_a_command_ended_by_a_signal_is_no_lost_connection(host: Host) -> None:
    """SSH reports no exit code for it."""
    assert host.run("kill -KILL $$", check=False).code == -1


def test_arguments_reach_the_command_whole(host: Host) -> None:
    """Whatever is in them; what looks like shell is text."""
    words = ["a b", "$HOME", "it's", "", "*", "%s", Path("/tmp"), 7]
    shown = host.run("printf '<%%s>' " + " ".join(["%s"] * len(words)), *words).stdout
    assert shown == "".join(f"<{word}>" for word in words)


def test_without_arguments_a_percent_sign_is_itself(host: Host) -> None:
    """So date formats and printf can be typed as in any shell."""
    assert host.run("printf '%s-%%\\n' x").stdout == "x-%\n"


@pytest.mark.parametrize(
    "command, args", [("echo %s", (1, 2)), ("echo %s %s", (1,)), ("date +%F %s", (1,))]
)
def test_a_wrong_number_of_arguments_is_told_before_anything_runs(
    host: Host, command: str, args: tuple[object, ...]
) -> None:
    """As is any other % among arguments."""
    with pytest.raises(LabError, match="%"):
        host.run(command, *args)


def test_output_that_is_not_text_is_shown_not_lost(host: Host) -> None:
    """As escapes: a message in another charset must not break a lesson."""
    assert host.run(r"printf 'caf\351'").stdout == r"caf\xe9"


def test_input_is_passed_byte_by_byte(host: Host) -> None:
    """Binary data too, and large enough to fill every buffer on the way."""
    data = os.urandom(3 * MIB)
    digest = host.run("sha256sum", input=data).stdout.split()[0]
    assert digest == hashlib.sha256(data).hexdigest()


def test_without_input_a_command_finds_an_empty_one(host: Host) -> None:
    """So `cat` ends instead of waiting for the time-out."""
    assert host.run("cat; echo end", timeout=5).stdout == "end\n"


def test_a_command_may_leave_its_input_unread(host: Host) -> None:
    """Its exit code tells whether that is an error."""
    assert host.run("true", input=b"x" * 5 * MIB).ok


def test_large_output_on_both_streams_does_not_lock_up(host: Host) -> None:
    """Twenty MiB each, stderr first: whoever reads stdout to its end before would wait for ever."""
    command = "head -c 20971520 /dev/zero >&2; head -c 20971520 /dev/zero"
    result = host.run(command, timeout=30)
    assert (len(result.stdout), len(result.stderr)) == (20 * MIB, 20 * MIB)


def test_streams_merge_in_the_order_written(host: Host) -> None:
    """As on a terminal, though SSH carries the two apart and in no order."""
    command = "for n in $(seq 200); do echo $n; echo $n >&2; done"
    expected = "".join(f"{n}\n{n}\n" for n in range(1, 201))
    seen: list[str] = []
    assert host.stream(command, on_output=seen.append).stdout == expected
    assert "".join(seen) == expected
    assert host.script(command, on_output=None).stdout == expected


def test_output_arrives_while_the_command_runs(host: Host) -> None:
    """The second half waits for a file that is only made when the first half was seen."""
    flag = Path(str(host.run("mktemp -u")))
    seen: list[str] = []

    def on_output(text: str) -> None:
        seen.append(text)
        flag.touch()

    host.stream(
        "printf '10%%%%\\r'; until [ -e %s ]; do :; done; echo 100%%",
        flag,
        on_output=on_output,
        timeout=5,
    )
    flag.unlink()
    assert seen == ["10%\r", "100%\n"]


def test_a_character_is_never_cut_in_two(host: Host) -> None:
    """Its bytes may come in two pieces, the text comes in one."""
    seen: list[str] = []
    host.stream(r"printf 'a\303'; sleep 0.1; printf '\244\360\237'", on_output=seen.append)
    assert "".join(seen) == r"aä\xf0\x9f"


def test_a_script_stops_at_the_first_failing_line_and_names_it(host: Host) -> None:
    """Bash alone would say nothing of a `grep -q`."""
    seen: list[str] = []
    with pytest.raises(CommandFailed) as caught:
        host.script(
            "echo one\n# a comment\ngrep -q nosuch /etc/passwd\necho never", on_output=seen.append
        )
    assert str(caught.value) == "exit 1 in line 3: grep -q nosuch /etc/passwd"
    assert seen == ["one\n"]


def test_the_note_of_the_failing_line_goes_nowhere_else(host: Host) -> None:
    """Neither into a redirected file nor into the output of a script that goes on."""
    name = str(host.run("mktemp"))
    with pytest.raises(CommandFailed) as caught:
        host.script(f"echo go\nfor n in 1; do\n  false\ndone > {name}", on_output=None)
    assert caught.value.line == 3
    assert host.get(name) == b""
    assert host.script("set +e\nfalse\necho on", on_output=None).stdout == "on\n"
    assert host.run("rm %s", name).ok


def test_a_script_may_have_syntax_that_spans_lines(host: Host) -> None:
    """Here documents, functions, quotes: it is bash that reads it."""
    text = "cat <<'END'\n$HOME 'x'\nEND\nf() {\n  echo \"f $1\"\n}\nf 1"
    assert host.script(text, on_output=None).stdout == "$HOME 'x'\nf 1\n"


def test_a_script_with_a_syntax_error_says_what_bash_says(host: Host) -> None:
    """On the one stream that there is."""
    result = host.script("if then", on_output=None, check=False)
    assert result.code == 2
    assert "syntax error" in result.stdout


def test_a_script_reads_the_given_input(host: Host) -> None:
    """Not its own text."""
    assert (
        host.script("read -r line\necho got $line", input="this\n", on_output=None).stdout
        == "got this\n"
    )


def test_each_call_is_a_new_shell_in_the_home_directory(host: Host) -> None:
    """Nothing of a call is left in the next."""
    before = str(host.run("pwd"))
    host.run("cd /; LEFT=1")
    assert host.run("echo $(pwd)$LEFT").stdout == f"{before}\n"


@pytest.mark.parametrize("way", ["run", "stream", "script"])
def test_as_user_runs_as_that_user(host: Host, way: str) -> None:
    """By sudo, with that user's home."""
    say = {} if way == "run" else {"on_output": None}
    result = getattr(host, way)("id -un; echo $HOME; cat", as_user=OTHER, input="in", **say)
    assert result.stdout == f"{OTHER}\n/nonexistent\nin"


def test_as_the_login_user_needs_no_sudo(host: Host) -> None:
    """A machine without sudo is still of use to its only user."""
    me = getpwuid(os.geteuid()).pw_name
    assert "SUDO" not in host.run("env", as_user=me).stdout


def test_put_and_get_carry_any_content(host: Host, tmp_path: Path) -> None:
    """Missing folders are made; owner, group and mode are as asked."""
    data = bytes(range(256)) * 1000
    path = tmp_path / "new folder" / "file"
    host.put(data, str(path), OTHER, "nogroup", "0640")
    assert host.get(str(path), as_user="root") == data
    assert host.run("stat -c '%%U %%G %%a' %s", path).stdout == f"{OTHER} nogroup 640\n"


def test_put_takes_text_and_local_files(host: Host, tmp_path: Path) -> None:
    """Replacing what was there."""
    (tmp_path / "source").write_text("from a file")
    host.put("text ä", str(tmp_path / "target"))
    assert (tmp_path / "target").read_text() == "text ä"
    host.put(tmp_path / "source", str(tmp_path / "target"))
    assert (tmp_path / "target").read_text() == "from a file"


def test_put_refuses_a_folder(host: Host, tmp_path: Path) -> None:
    """Rather than leaving a file called stdin in it."""
    with pytest.raises(CommandFailed, match="directory"):
        host.put("x", str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_get_of_a_missing_file_fails(host: Host) -> None:
    """It is not an empty one."""
    with pytest.raises(CommandFailed, match="No such file"):
        host.get("/nosuch")


def test_install_puts_a_shipped_file_at_its_place(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name in lab/files is its path there; an unknown name is told with the nearest."""
    name = f"{tmp_path}/etc/imapd.conf".removeprefix("/")
    shipped = tmp_path / "root/lab/files" / name
    shipped.parent.mkdir(parents=True)
    shipped.write_text("admins: cyrus\n")
    monkeypatch.setattr("lab.config.ROOT", tmp_path / "root")
    host.install(name, mode="0604")
    assert (tmp_path / "etc/imapd.conf").read_text() == "admins: cyrus\n"
    assert (tmp_path / "etc/imapd.conf").stat().st_mode & 0o777 == 0o604
    with pytest.raises(UnknownName, match="did you mean"):
        host.install(name.replace("imapd", "imap"))


def test_wait_for_returns_as_soon_as_the_command_succeeds(host: Host, tmp_path: Path) -> None:
    """Here when another process makes the file."""
    flag = tmp_path / "flag"
    threading.Timer(0.15, flag.touch).start()
    assert host.wait_for("test -e %s && echo there", flag, timeout=5).stdout == "there\n"


def test_wait_for_gives_up_in_time(host: Host) -> None:
    """And repeats what the command said last."""
    with pytest.raises(CommandTimeout, match=r"no end within 0\.3 s") as caught:
        host.wait_for("echo not yet; false", timeout=0.3)
    assert caught.value.output == "not yet\n"


def test_dial_reaches_a_port_of_the_machine(host: Host) -> None:
    """In both directions, with no port on this host."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        stream = host.dial(server.getsockname()[1])
        peer, _ = server.accept()
        with peer:
            peer.sendall(b"220 hello\r\n")
            stream.settimeout(5)
            assert stream.recv(100) == b"220 hello\r\n"
            stream.sendall(b"QUIT\r\n")
            assert peer.recv(100) == b"QUIT\r\n"


def test_dial_to_a_closed_port_says_so_and_keeps_the_connection(host: Host) -> None:
    """A refusal is an answer, not a broken connection."""
    before = session(host)
    with pytest.raises(LabError, match="nothing answers on port 1 of the machine"):
        host.dial(1)
    assert session(host) == before


# -- time-outs and interrupts ------------------------------------------------------------------


@pytest.mark.parametrize("as_user", [None, OTHER])
def test_a_time_out_ends_the_command_and_its_children(host: Host, as_user: str | None) -> None:
    """What was printed until then is in the error."""
    seconds = "31.25" if as_user else "31.5"
    with pytest.raises(CommandTimeout) as caught:
        host.run("echo begun; sleep %s & sleep %s", seconds, seconds, timeout=0.8, as_user=as_user)
    assert caught.value.output == "begun\n"
    assert caught.value.seconds == 0.8
    host.wait_for("! pgrep -f %s", f"sleep {seconds[:-1]}[{seconds[-1]}]", timeout=3)


def test_a_time_out_ends_a_command_that_will_not_go(host: Host) -> None:
    """By a signal it cannot ignore."""
    with pytest.raises(CommandTimeout):
        host.script("trap '' TERM\nsleep 31.125\nsleep 31.125", timeout=0.3, on_output=None)
    host.wait_for("! pgrep -f %s", "sleep 31.12[5]", timeout=5)


def test_a_time_out_while_input_is_not_read(host: Host) -> None:
    """Sending waits no longer than receiving."""
    start = time.monotonic()
    with pytest.raises(CommandTimeout):
        host.run("sleep 30", input=b"x" * 8 * MIB, timeout=0.3)
    assert time.monotonic() - start < 5


def test_a_background_process_that_holds_the_output_is_named(host: Host) -> None:
    """The usual reason why a command has ended and yet does not return."""
    with pytest.raises(CommandTimeout) as caught:
        host.run("sleep 3 & echo started", timeout=0.8)
    assert "in the background" in caught.value.next_step


def test_an_interrupt_ends_the_command(host: Host) -> None:
    """A reader who stops a cell stops what it started."""
    host.run("true")
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        host.run("sleep 31.75")
    host.wait_for("! pgrep -f %s", "sleep 31.7[5]", timeout=3)

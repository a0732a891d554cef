"""Checks of an effect on the machine: each prints one line if it holds, and teaches if it does not.

The checks worth having are those of effects: a port answers, a message lies in a mailbox. That a
command ended without an error is not one of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from email import message_from_string, policy
from email.message import EmailMessage
from pathlib import PurePosixPath
from shlex import quote
from typing import TypeVar

import paramiko

from lab.config import patient
from lab.errors import CheckFailed, CommandFailed, LabError
from lab.host import Host

LOG = "/var/log/mail.log"
LAST_LINES = f"the last lines of {LOG}"
MAIL_OWNER = "cyrus"
PAUSE = 0.2
Answer = TypeVar("Answer")
END_OF_HEADERS = "\x1e"
# Headers of all messages of a mailbox. The path: Debian keeps Cyrus's tools out of the way.
HEADERS = r"""PATH=$PATH:/usr/lib/cyrus/bin; cd "$(mbpath -s %s)" || exit
for message in [0-9]*.; do
  [ ! -f "$message" ] || { sed '/^\r*$/q' "$message"; printf '\036'; }
done"""


def soon(
    ask: Callable[[], Answer], is_right: Callable[[Answer], object], timeout: float = 60
) -> Answer:
    """Ask until the answer is right or the time-out, in seconds, is over; gives the last answer."""
    deadline = time.monotonic() + patient(timeout)
    while not is_right(answer := ask()) and time.monotonic() + PAUSE < deadline:
        time.sleep(PAUSE)
    return answer


def port_answers(vm: Host, port: int, starts_with: str = "", timeout: float = 60) -> None:
    """A port takes a connection, or soon will, and, if a text is given, greets with it.

    Soon, since Cyrus counts as started before it listens.
    """
    what = f"port {port} answers{f' {starts_with}' if starts_with else ''}"
    answer = soon(lambda: _dial(vm, port), lambda answer: not isinstance(answer, LabError), timeout)
    if isinstance(answer, LabError):
        raise CheckFailed(what, "an open port", answer.message, answer.next_step) from answer
    with answer:
        greeting = _greeting(answer, starts_with.encode(), timeout) if starts_with else ""
    _hold(what, greeting.startswith(starts_with), repr(starts_with), repr(greeting), LAST_LINES)


def service_runs(vm: Host, unit: str) -> None:
    """Systemd says that a unit is active."""
    result = vm.run("systemctl is-active -- %s", unit, check=False)
    state = f"{result.stdout}{result.stderr}".strip()
    _hold(
        f"service {unit} runs",
        state == "active",
        "active",
        state,
        f"sudo journalctl -n 20 -u {quote(unit)} tells why",
    )


def file_has(vm: Host, path: str, text: str) -> None:
    """A file has a text in it."""
    what = f"{path} has {text!r}"
    try:
        content = vm.get(path, as_user="root").decode(errors="backslashreplace")
    except CommandFailed as error:
        raise CheckFailed(
            what, "that file", error.result.stderr.strip(), f"ls -l {_folder(path)}"
        ) from error
    _hold(
        what,
        text in content,
        repr(text),
        f"{len(content.splitlines())} lines without it",
        f"sudo cat {quote(path)}",
    )


def file_is(vm: Host, path: str, owner: str = "", group: str = "", mode: str = "") -> None:
    """A file exists, with the owner, group and octal mode that are given."""
    result = vm.run("stat -c '%%U %%G %%a' -- %s", path, as_user="root", check=False)
    wanted = {"owner": owner, "group": group, "mode": mode.lstrip("0")}
    expected = " ".join(f"{name} {value}" for name, value in wanted.items() if value) or "there"
    what = f"{path} is {expected}"
    if not result.ok:
        raise CheckFailed(what, expected, result.stderr.strip(), f"ls -l {_folder(path)}")
    found = dict(zip(wanted, str(result).split(), strict=True))
    _hold(
        what,
        all(found[name] == value for name, value in wanted.items() if value),
        expected,
        " ".join(f"{name} {found[name]}" for name, value in wanted.items() if value),
        f"sudo ls -ld {quote(path)}",
    )


def mail_arrived(vm: Host, mailbox: str, subject: str, timeout: float = 60) -> None:
    """A message with a subject lies in a mailbox of Cyrus such as ``user/alice``, or soon will."""
    what = f"mail {subject!r} is in {mailbox}"
    result = soon(
        lambda: vm.run(HEADERS, mailbox, as_user=MAIL_OWNER, check=False),
        lambda result: subject in _subjects(result.stdout),
        timeout,
    )
    subjects = _subjects(result.stdout)
    found = ", ".join(map(repr, subjects[-5:])) or result.stderr.strip() or "an empty mailbox"
    _hold(what, subject in subjects, repr(subject), found, LAST_LINES)


def letters(headers: str) -> list[EmailMessage]:
    """Messages without their content, from what the shell text `HEADERS` prints, in the order of arrival."""
    texts = [text for text in headers.split(END_OF_HEADERS) if text.strip()]
    return [message_from_string(text, policy=policy.default) for text in texts]


def says(
    vm: Host,
    what: str,
    command: str,
    expected: str,
    as_user: str | None = None,
    timeout: float = 0,
) -> None:
    """A command prints just this, or soon will; for questions whose answer shows the effect of a step.

    Give a time-out, in seconds, where others have yet to do their part, such as to write a log.
    """
    found = soon(
        lambda: str(vm.run(command, as_user=as_user, check=False)),
        lambda found: found == expected,
        timeout,
    )
    _hold(what, found == expected, repr(expected), repr(found), command)


def holds(
    vm: Host, what: str, command: str, as_user: str | None = None, timeout: float = 0
) -> None:
    """A command that tests something, such as ``openssl verify``, finds it so, or soon will."""
    result = soon(
        lambda: vm.run(command, as_user=as_user, check=False), lambda result: result.ok, timeout
    )
    said = f"{result.stdout}{result.stderr}".strip()
    _hold(what, result.ok, f"exit 0 of {command}", f"exit {result.code}: {said}", "")


def equal(what: str, found: object, expected: object) -> None:
    """Two values are the same."""
    _hold(what, found == expected, repr(expected), repr(found), "")


def true(what: str, condition: object, hint: str = "") -> None:
    """Something holds."""
    _hold(what, bool(condition), "true", repr(condition), hint)


def _hold(what: str, holds: bool, expected: str, found: str, hint: str) -> None:
    if not holds:
        raise CheckFailed(what, expected, found, hint)
    print(f"ok   {what}", flush=True)


def _dial(vm: Host, port: int) -> paramiko.Channel | LabError:
    """A connection, or why there is none."""
    try:
        return vm.dial(port)
    except LabError as error:
        return error


def _greeting(channel: paramiko.Channel, wanted: bytes, timeout: float) -> str:
    """The first line a port says, or as much of it as came in time."""
    said = b""
    deadline = time.monotonic() + patient(timeout)
    while not (said.startswith(wanted) or b"\n" in said):
        channel.settimeout(max(0.0, deadline - time.monotonic()))
        try:
            data = channel.recv(4096)
        except TimeoutError:
            break
        if not data:
            break
        said += data
    return said.decode(errors="backslashreplace").partition("\r\n")[0]


def _subjects(headers: str) -> list[str]:
    """Subjects of messages, decoded, in the order of arrival."""
    return [str(letter["Subject"] or "") for letter in letters(headers)]


def _folder(path: str) -> str:
    return quote(str(PurePosixPath(path).parent))

"""The log of all modules: one function a fact, one line each, to syslog or standard error.

A line is ``<id> <fact> key=value ...``. Values never hold mail content or secrets; whatever came
from outside is made printable and is cut, so that nobody can write lines of their own.
"""

from __future__ import annotations

import re
from typing import Final

from meta1.syslog import ERROR, INFO, NOTICE, WARNING, Sink, StderrSink, SyslogSink

MAX_VALUE: Final = 512

_UNSAFE = re.compile(r"[^!#-<>-\[\]-~]")
_QUOTED_UNSAFE = re.compile(r"[^ !#-\[\]-~]")


class _Log:
    """Where this process logs to, and how much; one a process."""

    level: int = 12
    sink: Sink = StderrSink("meta1")


_log = _Log()


def open_log(ident: str, level: int, facility: str | None) -> None:
    """Log under this name from now on: to syslog, or to standard error without a facility."""
    _log.sink.close()
    _log.level = level
    _log.sink = SyslogSink(ident, facility) if facility else StderrSink(ident)


def close_log() -> None:
    """Hand over what is still kept back, before the process ends."""
    _log.sink.close()


def wants(level: int) -> bool:
    """Whether facts of this level are logged: to save the work of collecting them."""
    return level <= _log.level


def clean(value: object) -> str:
    """A value as it may stand in the log: printable ASCII, of bounded length."""
    text = value if isinstance(value, str) else str(value)
    if len(text) > MAX_VALUE:
        text = text[: MAX_VALUE - 3] + "..."
    if text and not _UNSAFE.search(text):
        return text
    return '"' + _QUOTED_UNSAFE.sub(_escape, text) + '"'


def _escape(match: re.Match[str]) -> str:
    return "".join(f"\\x{byte:02x}" for byte in match[0].encode("utf-8", "surrogateescape"))


def fact(severity: int, level: int, what: str, subject: str = "", /, **fields: object) -> None:
    """Log a fact that has no function of its own here; fields that are None or "" are left out."""
    if level > _log.level:
        return
    parts = [subject, what] if subject else [what]
    parts += [f"{key}={clean(value)}" for key, value in fields.items() if value not in (None, "")]
    _log.sink.write(severity, " ".join(parts))


# -- the life of a process ------------------------------------------------------------------------


def started(version: str, **fields: object) -> None:
    """The process begins."""
    fact(NOTICE, 5, "started", version=version, **fields)


def ready(**fields: object) -> None:
    """The process serves."""
    fact(NOTICE, 5, "ready", **fields)


def stopping(why: str) -> None:
    """The process was told to end."""
    fact(NOTICE, 5, "stopping", why=why)


def stopped() -> None:
    """The process ends in order."""
    fact(NOTICE, 5, "stopped")


def reloaded() -> None:
    """The configuration was read again and is in use."""
    fact(NOTICE, 5, "reloaded")


def not_reloaded(fault: object) -> None:
    """The configuration file is wrong; the one in use stays."""
    fact(ERROR, 1, "not_reloaded", fault=fault)


def broken(what: str, error: BaseException | str) -> None:
    """Something that must not happen; the process will end or has lost a part of its work."""
    text = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
    fact(ERROR, 0, "broken", what=what, error=text)


def trouble(what: str, **fields: object) -> None:
    """Something outside does not work; the process goes on."""
    fact(WARNING, 3, "trouble", what=what, **fields)


def note(what: str, **fields: object) -> None:
    """Anything a person who looks for a fault may want to know."""
    fact(INFO, 16, what, **fields)


# -- mcp ------------------------------------------------------------------------------------------


def module_started(module: str, pid: int) -> None:
    """mcp started a program."""
    fact(INFO, 8, "module_started", module=module, pid=pid)


def module_ready(module: str, seconds: float) -> None:
    """A program says that it serves."""
    fact(INFO, 8, "module_ready", module=module, after=f"{seconds:.2f}")


def module_ended(module: str, pid: int, how: str, expected: bool) -> None:
    """A program ended: asked to, or by itself."""
    severity, level = (INFO, 8) if expected else (ERROR, 1)
    fact(severity, level, "module_ended", module=module, pid=pid, how=how)


def module_waits(module: str, seconds: float) -> None:
    """A program that keeps ending is not started again at once."""
    fact(WARNING, 3, "module_waits", module=module, seconds=f"{seconds:.1f}")


# -- smtps ----------------------------------------------------------------------------------------


def session_opened(session: str, client: str) -> None:
    """A client connected."""
    fact(INFO, 14, "opened", session, client=client)


def session_closed(session: str, client: str, why: str, **fields: object) -> None:
    """The closing line of a session: commands, messages, seconds and what else is known."""
    fact(INFO, 10, "closed", session, client=client, why=why, **fields)


def read_failed(session: str, client: str, error: object) -> None:
    """The connection broke."""
    fact(NOTICE, 9, "read_failed", session, client=client, error=error)


def tls_started(
    session: str, side: str, *, version: str, cipher: str, bits: int, verify: str,
    subject: str = "", issuer: str = "",
) -> None:  # fmt: skip
    """TLS begins; ``verify`` is the result of checking the other side's certificate."""
    fact(
        INFO, 10, "starttls", session, side=side, version=version, cipher=cipher, bits=bits,
        verify=verify, cert_subject=subject, cert_issuer=issuer,
    )  # fmt: skip


def tls_failed(session: str, side: str, error: object) -> None:
    """The TLS handshake failed."""
    fact(NOTICE, 9, "starttls_failed", session, side=side, error=error)


def authenticated(session: str, mechanism: str, user: str) -> None:
    """AUTH succeeded."""
    fact(INFO, 10, "auth", session, mechanism=mechanism, user=user)


def not_authenticated(session: str, mechanism: str, client: str, why: str) -> None:
    """AUTH failed; which user was tried may be a password typed at the wrong place: not logged."""
    fact(NOTICE, 9, "auth_failed", session, mechanism=mechanism, client=client, why=why)


def refused(session: str, stage: str, reply: str, **fields: object) -> None:
    """A client, sender, recipient or message was refused."""
    fact(NOTICE, 9, "refused", session, stage=stage, reply=reply, **fields)


def received(transaction: str, **fields: object) -> None:
    """The closing line of a transaction in smtps: the message is safe on disk."""
    fact(INFO, 9, "received", transaction, **fields)


# -- qmgr and smtpc -------------------------------------------------------------------------------


def attempted(transaction: str, **fields: object) -> None:
    """One attempt to deliver to one recipient, with its outcome and the reply."""
    fact(INFO, 9, "attempted", transaction, **fields)


def handed_over(transaction: str, **fields: object) -> None:
    """smtpc has come to the end of one delivery, whatever the server said."""
    fact(INFO, 10, "handed_over", transaction, **fields)


def finished(transaction: str, **fields: object) -> None:
    """The closing line of a message in qmgr: nothing of it is left in the queue."""
    fact(INFO, 9, "finished", transaction, **fields)


def bounced(transaction: str, kind: str, **fields: object) -> None:
    """A notice to the sender was queued: ``kind`` is failed, delayed or delivered."""
    fact(NOTICE, 9, "bounced", transaction, kind=kind, **fields)


def recovered(**fields: object) -> None:
    """What was found in the queue at start, and what was mended."""
    fact(NOTICE, 5, "recovered", **fields)


# -- smar -----------------------------------------------------------------------------------------


def routed(transaction: str, **fields: object) -> None:
    """The way of one recipient was found, or is still known, or why there is none."""
    fact(INFO, 10, "routed", transaction, **fields)


def map_opened(name: str, **fields: object) -> None:
    """A map was opened, or opened again because its file is new."""
    fact(INFO, 10, "map_opened", map=name, **fields)


def map_failed(name: str, error: object) -> None:
    """A map cannot be asked; who depends on it is answered with a temporary failure."""
    fact(ERROR, 3, "map_failed", map=name, error=error)

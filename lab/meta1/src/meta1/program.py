"""What every module does at start: arguments, configuration, log, loop, signals, readiness.

A module is ``run("qmgr", serve, argv)``; ``serve(service)`` says ``service.ready()`` when it
serves and returns when ``service.stopping`` is set and its work is done.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from meta1 import PRODUCT, maillog
from meta1.arguments import Arguments, BadArguments, parse_arguments, usage
from meta1.config import Config, ConfigError, Module, load
from meta1.report import report
from meta1.syslog import ERROR, NOTICE, WARNING

# The numbers of sysexits.h, so that mcp and scripts can tell a wrong file from a fault of ours.
EX_OK: Final = 0
EX_USAGE: Final = 64
EX_SOFTWARE: Final = 70
EX_CONFIG: Final = 78

_PR_SET_NAME: Final = 15
READY_FD: Final = "META1_READY_FD"
PROCESS: Final = "META1_PROCESS"

OnReload = Callable[[Config, Module], None]


@dataclass(slots=True)
class Service:
    """The running module, as its ``serve`` sees it."""

    name: str
    config: Config
    section: Module
    process: int
    hostname: str
    stopping: asyncio.Event
    _ready_fd: int | None = None
    _on_reload: OnReload | None = None

    def tell(self, word: str) -> None:
        """Tell mcp a word; without mcp nobody listens."""
        if self._ready_fd is not None:
            with contextlib.suppress(OSError):
                os.write(self._ready_fd, f"{word}\n".encode("ascii"))

    def ready(self) -> None:
        """Say that the module serves now."""
        # What was made so far lives as long as the process: the collector need not look again.
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20, 20)
        maillog.ready()
        self.tell("ready")

    def on_reload(self, callback: OnReload) -> None:
        """Call this with the new configuration after SIGHUP; the file has been checked."""
        self._on_reload = callback

    def reload(self) -> None:
        """Read the configuration file again; a wrong one changes nothing."""
        try:
            config = load(self.config.file)
            section = find_section(config, self.name, self.section.label)
        except ConfigError as error:
            maillog.not_reloaded(error)
            return
        self.config, self.section = config, section
        open_log(self.name, section)
        if self._on_reload:
            self._on_reload(config, section)
        maillog.reloaded()


Serve = Callable[[Service], Awaitable[None]]


def run(name: str, serve: Serve, argv: list[str] | None = None) -> int:
    """Be the module ``name``; returns the exit status of the process."""
    try:
        arguments = parse_arguments(
            sys.argv[1:] if argv is None else argv, "n:" if name == "smtps" else ""
        )
    except BadArguments as bad:
        print(f"{name}: {bad}\n{usage(name)}", file=sys.stderr)
        return EX_USAGE
    if arguments.help:
        print(usage(name))
        return EX_OK
    if arguments.verbosity:
        return report(name, arguments)
    return _run_module(name, serve, arguments)


def _run_module(name: str, serve: Serve, arguments: Arguments) -> int:
    _set_process_name(name)
    try:
        config = load(arguments.file)
        section = find_section(config, name, arguments.section)
    except ConfigError as error:
        return refuse_config(name, error)
    open_log(name, section)
    maillog.started(PRODUCT, process=os.environ.get(PROCESS))
    try:
        return _run_loop(name, serve, config, section)
    except Exception as error:
        # The last line of defence: a daemon in doubt ends, and mcp starts it again.
        maillog.broken(name, error)
        logging.getLogger(name).debug("traceback", exc_info=True)
        return EX_SOFTWARE
    finally:
        maillog.close_log()


def _set_process_name(name: str) -> None:
    """Be called by this name in ps and pgrep, where every one of us would be "python3"."""
    ctypes.CDLL(None).prctl(_PR_SET_NAME, name.encode("ascii"), 0, 0, 0)


def refuse_config(name: str, error: ConfigError) -> int:
    """Say on standard error, and to mail's syslog, why the module does not start."""
    print(error, file=sys.stderr)
    maillog.open_log(name, 12, "mail")
    for fault in error.faults:
        maillog.broken("configuration", str(fault))
    maillog.close_log()
    return EX_CONFIG


def find_section(config: Config, name: str, label: str = "") -> Module:
    """The module's section; of several SMTP servers the one with this label."""
    if name != "smtps":
        return config.module(name) if name in config.order else _default_section(config, name)
    found = [each for each in config.smtps if not label or each.label == label]
    if len(found) == 1:
        return found[0]
    labels = ", ".join(each.label for each in config.smtps)
    message = "there is no section smtps" if not config.smtps else f"say which: -n {labels}"
    raise ConfigError.of(config.file, message)


def _default_section(config: Config, name: str) -> Module:
    sections: dict[str, Module] = {
        "smtpc": config.smtpc, "qmgr": config.qmgr, "smar": config.smar,
    }  # fmt: skip
    return sections[name]


def open_log(name: str, section: Module) -> None:
    """Log as the section says; messages of libraries go the same way."""
    ident = (section.log.ident if section.log else None) or section.label or name
    facility = section.log.facility if section.log else None
    maillog.open_log(ident, section.log_level, facility)
    root = logging.getLogger()
    root.handlers[:] = [_ToMaillog()]
    root.setLevel(logging.DEBUG if section.log_level >= 24 else logging.INFO)


class _ToMaillog(logging.Handler):
    """Messages of the standard library and of our own loggers, one line each."""

    def emit(self, record: logging.LogRecord) -> None:
        """See logging.Handler."""
        severity, level = NOTICE, 16
        if record.levelno >= logging.WARNING:
            severity, level = (ERROR, 1) if record.levelno >= logging.ERROR else (WARNING, 3)
        text = record.getMessage()
        if record.exc_info and record.exc_info[1]:
            text += f": {record.exc_info[1]!r}"
            traceback = record.exc_info[2]
            while traceback and traceback.tb_next:
                traceback = traceback.tb_next
            if traceback:
                place = Path(traceback.tb_frame.f_code.co_filename).name
                text += f" at {place}:{traceback.tb_lineno}"
        maillog.fact(severity, level, "note", logger=record.name, text=text)


def _run_loop(name: str, serve: Serve, config: Config, section: Module) -> int:
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_main(name, serve, config, section))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The loop of uvloop where there is one: twice as fast, and nothing else differs."""
    if os.environ.get("META1_LOOP") == "asyncio":
        return None
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


async def _main(name: str, serve: Serve, config: Config, section: Module) -> int:
    fd = os.environ.pop(READY_FD, None)
    service = Service(
        name, config, section,
        process=int(os.environ.get(PROCESS, "0")),
        hostname=config.hostname or socket.getfqdn(),
        stopping=asyncio.Event(),
        _ready_fd=int(fd) if fd else None,
    )  # fmt: skip
    if "." not in service.hostname:
        maillog.trouble("hostname", name=service.hostname, mend="set hostname in meta1.conf")
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop, service, signal.Signals(number).name)
    loop.add_signal_handler(signal.SIGHUP, service.reload)
    await serve(service)
    maillog.stopped()
    _leave_no_thread()
    return EX_OK


def _stop(service: Service, why: str) -> None:
    if not service.stopping.is_set():
        maillog.stopping(why)
        service.stopping.set()


def _leave_no_thread() -> None:
    """Name threads that would keep the process from ending."""
    for each in threading.enumerate():
        if each is not threading.main_thread() and not each.daemon:
            maillog.note("thread_left", name=each.name)

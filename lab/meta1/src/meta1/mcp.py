"""mcp, the main control program: the only process that is root, and the one that reads no mail.

It binds the listening sockets, starts the modules last to first, each as its own user, passes the
sockets, starts again what ends, and stops everything in order.
"""

from __future__ import annotations

import asyncio
import os
import sys

from meta1 import PRODUCT, maillog
from meta1.arguments import BadArguments, parse_arguments
from meta1.config import DEFAULT_FILE, Config, ConfigError, load
from meta1.control import Control, open_mcp_log
from meta1.daemonize import Starter
from meta1.pidfile import AlreadyRunning, PidFile, end_left_behind
from meta1.program import EX_CONFIG, EX_OK, EX_SOFTWARE, EX_USAGE, refuse_config
from meta1.report import report

USAGE = f"""usage: mcp [-C] [-F] [-V[V[V[V]]]] [-f FILE | FILE]
  -f FILE  configuration file, {DEFAULT_FILE} if not given
  -C       only check the configuration file
  -F       stay in the foreground
  -V       print the version; four times: check the configuration and show it"""


def main(argv: list[str] | None = None) -> int:
    """Be mcp; returns the exit status."""
    words = sys.argv[1:] if argv is None else list(argv)
    # The file's name may also stand alone, as the last word.
    if words and not words[-1].startswith("-") and words[-2:-1] != ["-f"]:
        words.insert(-1, "-f")
    try:
        arguments = parse_arguments(words, "CF")
    except BadArguments as bad:
        print(f"mcp: {bad}\n{USAGE}", file=sys.stderr)
        return EX_USAGE
    if arguments.help:
        print(USAGE)
        return EX_OK
    if arguments.verbosity:
        return report("mcp", arguments)
    try:
        config = load(os.path.abspath(arguments.file))
    except ConfigError as error:
        return refuse_config("mcp", error)
    if arguments.has("-C"):
        return EX_OK
    return _supervise(config, Starter(is_foreground=arguments.has("-F")))


def _supervise(config: Config, starter: Starter) -> int:
    try:
        pid_file = PidFile(config.mcp.pid_file)
    except (AlreadyRunning, OSError) as error:
        print(f"mcp: {error}", file=sys.stderr)
        return EX_SOFTWARE
    if starter.is_parent():
        return starter.wait()
    pid_file.write()
    open_mcp_log(config)
    maillog.started(PRODUCT, file=config.file)
    for each in end_left_behind(pid_file.left_behind(), config.mcp.stop_timeout):
        maillog.trouble("killed_left_behind", module=each.name, pid=each.pid)
    try:
        asyncio.run(_run(config, pid_file, starter))
    except OSError as error:
        maillog.broken("start", error)
        starter.failed(f"mcp: {error}")
        return EX_CONFIG
    finally:
        maillog.close_log()
    maillog.stopped()
    pid_file.remove()
    maillog.close_log()
    return EX_OK


async def _run(config: Config, pid_file: PidFile, starter: Starter) -> None:
    control = Control(config, pid_file, starter)
    control.bind()
    await control.run()


if __name__ == "__main__":
    raise SystemExit(main())

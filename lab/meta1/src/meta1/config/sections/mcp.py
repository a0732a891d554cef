"""Section ``mcp``: the main control program. All of it is ours: none of its options are public."""

from __future__ import annotations

from dataclasses import dataclass

from meta1.buildinfo import BUILD
from meta1.config.kinds import PATH, Integer, Seconds
from meta1.config.schema import DOCUMENTED, OURS, Section, option, optional
from meta1.config.sections.common import Log


@dataclass(frozen=True, slots=True)
class Mcp(Section):
    """The main control program."""

    log_level: int = option(Integer(0, 100), 12, DOCUMENTED, "how much to log")
    log: Log | None = optional(Log, DOCUMENTED, "where to log")
    pid_file: str = option(
        PATH, f"{BUILD.rundir}/mcp.pid", OURS, "file with the process id, locked while mcp runs"
    )
    start_timeout: float = option(
        Seconds(1, 3600), 30.0, OURS, "how long a module may take until it serves"
    )
    stop_timeout: float = option(
        Seconds(1, 3600), 15.0, OURS, "how long a module may take to end before it is killed"
    )
    min_restart_delay: float = option(
        Seconds(0, 3600), 1.0, OURS, "wait before a module that ended is started again"
    )
    max_restart_delay: float = option(
        Seconds(1, 86400), 60.0, OURS, "longest such wait; it doubles while the module keeps ending"
    )
    steady_time: float = option(
        Seconds(1, 86400), 60.0, OURS, "a module that served this long starts again without wait"
    )

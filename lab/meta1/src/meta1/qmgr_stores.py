"""Opening the stores of qmgr, and rebuilding the queue from what they hold."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from meta1 import maillog
from meta1.config import Config, Qmgr
from meta1.queue import defedb
from meta1.queue.bounce import Reporter
from meta1.queue.commit import CommitThread
from meta1.queue.defedb import DeferredReader, DeferredWriter
from meta1.queue.entry import Entry
from meta1.queue.ibdb import Journal, SegmentRead, read_all, segment_path
from meta1.queue.ledger import Ledger
from meta1.queue.records import Replay
from meta1.queue.schedule import Limits


class AlreadyRunning(RuntimeError):
    """Another qmgr works on this queue."""


@dataclass(slots=True)
class Stores:
    """Both stores, open."""

    directory: Path
    lock: int
    reader: DeferredReader
    thread: CommitThread
    min_free_space: int

    def has_room(self) -> bool:
        """Tell whether the disk has as much free space as the configuration wants."""
        found = os.statvfs(self.directory)
        return found.f_bavail * found.f_frsize >= self.min_free_space and found.f_favail != 0

    def recover(self, ledger: Ledger) -> list[Entry]:
        """Read both stores into the ledger; give the messages to go on with."""
        replay, segments, damaged = Replay(), [], 0
        for segment in read_all(self.directory):
            segments.append(segment.number)
            replay.feed(segment.number, segment.records)
            damaged += bool(segment.damage) and _keep_damaged(self.directory, segment)
        entries = ledger.recover(self.reader.index(), replay.entries.values(), segments)
        maillog.recovered(
            active=len(entries), deferred=len(ledger.deferred), segments=len(segments),
            damaged=damaged, unreadable=replay.unreadable,
        )  # fmt: skip
        return entries

    def close(self) -> None:
        """Write what is left, then let others have the queue."""
        self.thread.stop()
        self.reader.close()
        os.close(self.lock)


def open_stores(
    config: Config, section: Qmgr,
    on_failure: Callable[[OSError], None], on_results: Callable[[], None],
) -> Stores:  # fmt: skip
    """Open both stores; `AlreadyRunning` if another qmgr has them."""
    journal, deferred = config.spool("ibdb"), config.spool("defedb")
    for directory in (journal, deferred):
        directory.mkdir(mode=0o700, exist_ok=True)
    lock = os.open(journal / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise AlreadyRunning(f"{journal} is in use") from error
    defedb.create(deferred)
    thread = CommitThread(
        Journal(journal, section.ibdb_segment_size),
        DeferredWriter(deferred),
        on_failure,
        on_results,
    )
    return Stores(journal, lock, DeferredReader(deferred), thread, section.min_free_space)


def _keep_damaged(directory: Path, segment: SegmentRead) -> bool:
    """Keep a copy of a damaged segment for an operator; an empty one is only a crash at birth.

    A torn tail after a power cut is ordinary: what stood there was never acknowledged.
    """
    if segment.damage == "empty":
        return False
    path = segment_path(directory, segment.number)
    kept = directory / f"damaged-{path.name}"
    if not kept.exists():
        os.link(path, kept)
    maillog.trouble("damaged journal", file=path, damage=segment.damage, kept=kept)
    return True


def limits_of(section: Qmgr) -> Limits:
    """The figures of the scheduler as the configuration has them."""
    client = section.smtpc
    return Limits(
        max_entries=section.aq_max_entries,
        initial_connections=client.initial_connections,
        max_connections=client.max_connections,
        max_local=client.max_lmtp_connections * PER_LMTP_CONNECTION,
        max_total=client.max_total_connections,
        min_retry=section.min_retry,
        max_retry=section.max_retry,
        return_timeout=section.return_timeout,
        bounce_return_timeout=section.bounce_return_timeout,
        warning_timeout=section.warning_timeout,
        max_recipients=client.max_recipients,
    )


PER_LMTP_CONNECTION = 4
"""Deliveries for each LMTP connection: smtpc sends the next envelope behind the final dot."""


def reporter_of(hostname: str, section: Qmgr) -> Reporter:
    """What reports say about us; the secret lives as long as the process."""
    return Reporter(hostname, section.postmaster, os.urandom(32), section.max_bounce_size)

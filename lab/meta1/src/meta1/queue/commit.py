"""The commit thread: the only writer of both stores, one batch at a time.

The loop gathers work into a `Batch` and hands it over once a turn; while one batch is being
synced the next ones gather, and are then written together (group commit).  What the journal alone
is for, and little, is written in the loop while the thread has nothing and the disk is quick.

The order within a round is the heart of crash safety, and `doc/QUEUE.md` has the table of states
it allows:

    1. messages that move go into DEFEDB, synced
    2. journal records, among them "moved", synced if anybody waits or step 3 has work
    3. changes and removals in DEFEDB, synced
    4. journal segments that nobody needs are unlinked, and the barriers called: what they
       allow (CDB files to be unlinked) must not come before the records that make it right
"""

from __future__ import annotations

import asyncio
import logging
import os
import queue
import threading
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial

from meta1.queue.defedb import DeferredWriter, Row
from meta1.queue.ibdb import NO_SPACE, Journal
from meta1.queue.pace import Pace

_log = logging.getLogger(__name__)

Committed = Callable[[int], None]
"""Called in the loop with the journal segment, or with 0 if the disk had no room."""


@dataclass(slots=True)
class Batch:
    """Work of one turn of the loop."""

    adds: list[tuple[bytes, Committed]] = field(default_factory=list)
    """Records somebody waits for, and who may be told that there is no room."""
    notes: list[bytes] = field(default_factory=list)
    """Records that must get there some time; kept and tried again when the disk is full."""
    kept: list[tuple[bytes, Committed]] = field(default_factory=list)
    """The same with a call once they are on disk."""
    moves: list[tuple[Row, bytes, Committed]] = field(default_factory=list)
    puts: dict[str, Row] = field(default_factory=dict)
    removals: set[str] = field(default_factory=set)
    segments: list[int] = field(default_factory=list)
    barriers: list[Committed] = field(default_factory=list)
    """Called once everything handed over so far is on disk."""

    @property
    def is_empty(self) -> bool:
        """Tell whether there is anything to do."""
        parts = (self.adds, self.notes, self.kept, self.moves, self.puts)
        rest = (self.removals, self.segments, self.barriers)
        return not any(parts) and not any(rest)

    @property
    def is_awaited(self) -> bool:
        """Tell whether the journal has to be synced for it."""
        waiting = (self.adds, self.kept, self.puts, self.removals, self.segments, self.barriers)
        return any(waiting)

    @property
    def is_little(self) -> bool:
        """Tell whether it is for the journal only, and one message waits for it at most."""
        waiting = len(self.adds) + len(self.kept)
        rest = (self.moves, self.puts, self.removals, self.segments, self.barriers)
        return waiting <= 1 and not any(rest)

    def merge(self, later: Batch) -> None:
        """Take in a batch that was handed over after this one."""
        self.adds += later.adds
        self.notes += later.notes
        self.kept += later.kept
        self.moves += later.moves
        self.puts |= later.puts
        self.removals = (self.removals - later.puts.keys()) | later.removals
        for gone in later.removals:
            self.puts.pop(gone, None)
        self.segments += later.segments
        self.barriers += later.barriers


class CommitThread:
    """Takes batches from the loop and calls back into it."""

    def __init__(
        self, journal: Journal, deferred: DeferredWriter,
        on_failure: Callable[[OSError], None], on_results: Callable[[], None],
    ) -> None:  # fmt: skip
        """Prepare; `start` runs it.  `on_failure` is called when the disk can not be trusted."""
        self._journal = journal
        self._deferred = deferred
        self._on_failure = on_failure
        self._on_results = on_results
        self._loop: asyncio.AbstractEventLoop | None = None
        self._inbox: queue.SimpleQueue[Batch | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="commit", daemon=True)
        self._left = Batch()
        self._pace = Pace()
        self._under_way = 0
        """Batches that the thread has; counted in the loop, which writes only if there are none."""
        self._has_failed = False

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin; results are called in this loop."""
        self._loop = loop
        self._thread.start()

    def submit(self, batch: Batch) -> None:
        """Write what is little here and now; anything else is the thread's from now on."""
        if self._may_write_here(batch):
            self._write_here(batch)
        elif not self._has_failed:
            self._under_way += 1
            self._inbox.put(batch)

    def _may_write_here(self, batch: Batch) -> bool:
        """Tell whether the loop may write a batch: nothing comes before it, and it is soon done."""
        is_free = not self._under_way and not self._has_failed and self._left.is_empty
        return is_free and batch.is_little and (self._pace.is_quick or not batch.is_awaited)

    def _write_here(self, batch: Batch) -> None:
        """Do one round in the loop."""
        try:
            results = self.write(batch)
        except OSError as error:
            self._give_up(error)
        else:
            self._tell(results)

    def _give_up(self, error: OSError) -> None:
        """Tell that the disk fails; nothing is written any more."""
        self._has_failed = True
        _log.critical("the queue cannot be written: %s", error)
        self._on_failure(error)

    def stop(self) -> None:
        """Finish all that was handed over, then end."""
        self._inbox.put(None)
        self._thread.join()
        self._deferred.close()
        self._journal.close()

    def _run(self) -> None:
        """Work until told to stop, or until the disk fails."""
        running = True
        while running:
            items = self._gather()
            running = items[-1] is not None
            batch, self._left = self._left, Batch()
            for item in items:
                if item is not None:
                    batch.merge(item)
            try:
                results = self.write(batch)
            except OSError as error:
                self._call(partial(self._give_up, error))
                return
            if results or running:
                self._call(partial(self._finished, len(items), results))

    def _gather(self) -> list[Batch | None]:
        """Wait for work and take all there is; None is the last."""
        items = [self._inbox.get()]
        while items[-1] is not None and not self._inbox.empty():
            items.append(self._inbox.get())
        return items

    def write(self, batch: Batch) -> list[tuple[Committed, int]]:
        """Do one round; give the calls to make.  Only a failing disk raises."""
        results: list[tuple[Committed, int]] = []
        moved = self._move(batch, results)
        if self._record(batch, moved, results) and self._change(batch):
            self._journal.remove(batch.segments)
            results += [(call, 1) for call in batch.barriers]
        else:
            self._left.merge(Batch(segments=batch.segments, barriers=batch.barriers))
        return results

    def _move(self, batch: Batch, results: list[tuple[Committed, int]]) -> list[bytes]:
        """Step 1; the records to write for what moved."""
        if not batch.moves:
            return []
        try:
            self._deferred.apply([row for row, _, _ in batch.moves])
        except OSError as error:
            _raise_unless_full(error)
            results += [(call, 0) for _, _, call in batch.moves]
            return []
        results += [(call, 1) for _, _, call in batch.moves]
        return [record for _, record, _ in batch.moves]

    def _record(
        self, batch: Batch, moved: list[bytes], results: list[tuple[Committed, int]]
    ) -> bool:
        """Step 2; False if there was no room."""
        must = batch.notes + [record for record, _ in batch.kept] + moved
        records = must + [record for record, _ in batch.adds]
        sync = batch.is_awaited
        try:
            with self._pace.timed() if sync else nullcontext():
                segment = self._journal.write(records, sync=sync) if records else 0
                if sync and not records:
                    self._journal.sync()
        except OSError as error:
            _raise_unless_full(error)
            results += [(call, 0) for _, call in batch.adds]
            self._left.merge(
                Batch([], batch.notes + moved, batch.kept, [], batch.puts, batch.removals)
            )
            return False
        results += [(call, segment) for _, call in batch.kept + batch.adds]
        return True

    def _change(self, batch: Batch) -> bool:
        """Step 3; what finds no room waits for the next round."""
        if not batch.puts and not batch.removals:
            return True
        try:
            self._deferred.apply(batch.puts.values(), batch.removals)
        except OSError as error:
            _raise_unless_full(error)
            self._left.merge(Batch(puts=batch.puts, removals=batch.removals))
            return False
        return True

    def _finished(self, count: int, results: list[tuple[Committed, int]]) -> None:
        """In the loop: the thread has done so many batches."""
        self._under_way -= count
        self._tell(results)

    def _tell(self, results: list[tuple[Committed, int]]) -> None:
        """In the loop: call everybody whose work is done."""
        for call, value in results:
            call(value)
        if results:
            self._on_results()

    def _call(self, function: Callable[[], object]) -> None:
        """Go back to the loop."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(function)


def _raise_unless_full(error: OSError) -> None:
    """A full disk is ordinary; any other error means that nothing can be promised."""
    if error.errno not in NO_SPACE:
        raise error
    _log.error("no room in the queue: %s", os.strerror(error.errno or 0))

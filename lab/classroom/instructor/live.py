"""The broker's table as it changes: one watch on the broker, for any number of open pages."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from lab.classroom.client import Broker
from lab.classroom.instructor.table import Table
from lab.errors import LabError

AGAIN = 1.0
"""Seconds until a broker that does not answer is asked again."""


@dataclass(frozen=True, slots=True)
class News:
    """The newest table, None before the first; `trouble` says why it may be old."""

    table: Table | None = None
    trouble: str = "the broker has not answered yet"


class Live:
    """Watches the broker in a thread of its own, since its client waits; pages follow in the event loop."""

    def __init__(self, broker: Broker) -> None:
        self.news = News()
        self._broker = broker
        self._loop = asyncio.get_running_loop()
        self._moved = asyncio.Event()
        threading.Thread(target=self._watch, name="watch", daemon=True).start()

    async def follow(self, seconds: float) -> AsyncIterator[News | None]:
        """What is, and then each change; None after so many seconds without one."""
        seen: News | None = None
        while True:
            moved = self._moved
            if self.news is not seen:
                seen = self.news
                yield seen
                continue
            try:
                await asyncio.wait_for(moved.wait(), seconds)
            except TimeoutError:
                yield None

    def _watch(self) -> None:
        while True:
            trouble = "the broker ended the watch"
            try:
                for table in self._broker.says("watch"):
                    self._tell(News(table, ""))
            except LabError as error:
                trouble = error.message
            try:
                self._tell(News(self.news.table, trouble))
            except RuntimeError:  # the event loop has ended, and the service with it
                return
            time.sleep(AGAIN)

    def _tell(self, news: News) -> None:
        self._loop.call_soon_threadsafe(self._set, news)

    def _set(self, news: News) -> None:
        self.news = news
        self._moved.set()
        self._moved = asyncio.Event()

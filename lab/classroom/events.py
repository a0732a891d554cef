"""What the broker remembers: events, messages, and what each machine and server is meant to be. One SQLite file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from lab.classroom.progress import Event
from lab.errors import LabError

TABLES = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS event (
    id INTEGER PRIMARY KEY, at TEXT NOT NULL, trainee TEXT NOT NULL, kind TEXT NOT NULL,
    chapter INTEGER NOT NULL, detail TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS event_trainee ON event (trainee);
CREATE TABLE IF NOT EXISTS message (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, trainee TEXT NOT NULL, text TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS message_trainee ON message (trainee, id);
CREATE TABLE IF NOT EXISTS machine (
    trainee TEXT PRIMARY KEY, wanted TEXT NOT NULL, checkpoint TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS server (trainee TEXT PRIMARY KEY, running INTEGER NOT NULL);
"""
MOST_EVENTS = 20_000
"""Of one trainee, who else could fill the host's disk with them."""
MOST_MESSAGES = 100
"""In one answer."""

Wanted = Literal["running", "stopped", "absent"]


@dataclass(frozen=True, slots=True)
class Wish:
    """What a machine is meant to be, and the checkpoint to which it goes back if it is lost."""

    wanted: Wanted
    checkpoint: str


class Events:
    """The file; made if it is not there. For one thread."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.executescript(TABLES)
        self._count = dict(self._db.execute("SELECT trainee, count(*) FROM event GROUP BY trainee"))

    def close(self) -> None:
        """All is in the file then."""
        self._db.close()

    def all(self) -> Iterator[Event]:
        """Every event, in the order they came."""
        for at, trainee, kind, chapter, detail in self._db.execute(
            "SELECT at, trainee, kind, chapter, detail FROM event ORDER BY id"
        ):
            yield Event(at, trainee, kind, chapter, json.loads(detail))

    def add(self, event: Event) -> None:
        """Keep an event. Raises `LabError` once a trainee has too many."""
        if self._count.get(event.trainee, 0) >= MOST_EVENTS:
            raise LabError(f"{MOST_EVENTS} events are kept of one trainee, and no more")
        row = (event.at, event.trainee, event.kind, event.chapter, json.dumps(dict(event.detail)))
        self._db.execute(
            "INSERT INTO event (at, trainee, kind, chapter, detail) VALUES (?, ?, ?, ?, ?)", row
        )
        self._count[event.trainee] = self._count.get(event.trainee, 0) + 1

    def say(self, trainees: Iterable[str], text: str) -> None:
        """Leave a message for trainees."""
        rows = [(now(), trainee, text) for trainee in trainees]
        self._db.execute("BEGIN")
        self._db.executemany("INSERT INTO message (at, trainee, text) VALUES (?, ?, ?)", rows)
        self._db.execute("COMMIT")

    def messages(self, trainee: str, since: int) -> list[dict[str, object]]:
        """A trainee's messages with an id above `since`, oldest first."""
        found = self._db.execute(
            "SELECT id, at, text FROM message WHERE trainee = ? AND id > ? ORDER BY id LIMIT ?",
            (trainee, since, MOST_MESSAGES),
        )
        return [dict(zip(("id", "at", "text"), row, strict=True)) for row in found]

    def wish(self, trainee: str) -> Wish:
        """What is meant to be; nothing, until somebody asked for it."""
        row = self._db.execute(
            "SELECT wanted, checkpoint FROM machine WHERE trainee = ?", (trainee,)
        ).fetchone()
        return Wish(*row) if row else Wish("absent", "")

    def want(self, trainee: str, wish: Wish) -> None:
        """Keep what is meant to be."""
        self._db.execute(
            "INSERT OR REPLACE INTO machine (trainee, wanted, checkpoint) VALUES (?, ?, ?)",
            (trainee, wish.wanted, wish.checkpoint),
        )

    def servers(self) -> set[str]:
        """Trainees whose JupyterLab runs, as the spawner said."""
        return {row[0] for row in self._db.execute("SELECT trainee FROM server WHERE running")}

    def server(self, trainee: str, running: bool) -> None:
        """Keep what the spawner said."""
        self._db.execute(
            "INSERT OR REPLACE INTO server (trainee, running) VALUES (?, ?)", (trainee, running)
        )


def now() -> str:
    """The time as events and messages have it: ISO 8601, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")

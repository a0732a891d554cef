"""A queue manager without processes: real stores on disk, a clock to turn, answers to choose.

Tests script what routes and servers say, let the world run until nothing moves, cut the power
between any two steps, and look at what is left.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from meta1.messages import (
    Deliver,
    DeliveryReported,
    Host,
    NextHop,
    RecipientResult,
    RouteResolved,
    Target,
    TransactionCommitted,
    TransactionRefused,
    Transport,
)
from meta1.queue import defedb
from meta1.queue.bounce import Reporter
from meta1.queue.commit import CommitThread
from meta1.queue.defedb import DeferredReader, DeferredWriter
from meta1.queue.desk import Desk
from meta1.queue.entry import Entry
from meta1.queue.envelope import Content, Envelope, Outcome, Recipient
from meta1.queue.ibdb import Journal, read_all
from meta1.queue.ledger import Ledger
from meta1.queue.records import Replay
from meta1.queue.schedule import Limits

START = 1_700_000_000.0
SENT = RecipientResult(Outcome.DELIVERED, 250, "2.0.0", "ok")
LATER = RecipientResult(Outcome.RETRY, 451, "4.3.0", "later")
NEVER = RecipientResult(Outcome.FAILED, 550, "5.1.1", "no such user")


class PowerCut(BaseException):
    """The machine stops here; no code of ours may catch it."""


@dataclass
class Weather:
    """What the outside says: results by recipient, routes by recipient, and the lights."""

    results: dict[str, RecipientResult] = field(default_factory=dict)
    routes: dict[str, RouteResolved] = field(default_factory=dict)
    reached: Callable[[str], bool] = lambda key: True
    steps_left: int | None = None

    def step(self) -> None:
        """One more step on the disk, unless the power goes first."""
        if self.steps_left is not None:
            if self.steps_left == 0:
                raise PowerCut
            self.steps_left -= 1


class FrailJournal(Journal):
    """A journal whose power may fail before and after each step."""

    def __init__(self, directory: Path, size: int, weather: Weather) -> None:
        """Watch the weather."""
        super().__init__(directory, size)
        self._weather = weather
        self.safe: dict[Path, int] = {}

    def write(self, records: object, *, sync: bool) -> int:
        """Power may go before the write, between write and sync, and after."""
        self._weather.step()
        number = super().write(records, sync=False)  # type: ignore[arg-type]
        if sync:
            self._weather.step()
            self.sync()
        self._weather.step()
        return number

    def sync(self) -> None:
        """Remember what is surely on disk."""
        super().sync()

    def remove(self, numbers: object) -> None:
        """Power may go before each unlink."""
        for number in numbers:  # type: ignore[attr-defined]
            self._weather.step()
            super().remove([number])


class FrailWriter(DeferredWriter):
    """DEFEDB whose power may fail before and after a commit."""

    def __init__(self, directory: Path, weather: Weather) -> None:
        """Watch the weather."""
        super().__init__(directory)
        self._weather = weather

    def apply(self, puts: object, removals: object = ()) -> None:
        """Power may go before or after, never within: that is SQLite's promise."""
        self._weather.step()
        super().apply(puts, removals)  # type: ignore[arg-type]
        self._weather.step()


class World:
    """One life of qmgr, from start to power cut."""

    def __init__(
        self, directory: Path, weather: Weather | None = None, limits: Limits | None = None,
        *, now: float = START, segment_size: int = 4096, double_bounce: str | None = None,
    ) -> None:  # fmt: skip
        """Rebuild the queue from the directory and begin."""
        self.weather = weather or Weather()
        self.clock = now
        self.host = "mx.test"
        self.sent: list[tuple[str, str]] = []
        self.deliveries: deque[Deliver] = deque()
        self.log: list[Deliver] = []
        self.answers: list[TransactionCommitted | TransactionRefused] = []
        self.unused: list[str] = []
        self._ids = 0
        self._directory = directory
        for name in ("ibdb", "defedb"):
            (directory / name).mkdir(exist_ok=True)
        defedb.create(directory / "defedb")
        self.reader = DeferredReader(directory / "defedb")
        replay, segments = Replay(), []
        for segment in read_all(directory / "ibdb"):
            segments.append(segment.number)
            replay.feed(segment.number, segment.records)
        self.unreadable = replay.unreadable
        self.journal = FrailJournal(directory / "ibdb", segment_size, self.weather)
        writer = FrailWriter(directory / "defedb", self.weather)
        self.thread = CommitThread(self.journal, writer, lambda error: None, lambda: None)
        self.ledger = Ledger(self.unused.append)
        self.desk = Desk(
            limits or Limits(), Reporter("mail.test", "postmaster", b"x"), double_bounce,
            self.ledger, self, self._new_id,
        )  # fmt: skip
        self.desk.slots = 100
        entries = self.ledger.recover(self.reader.index(), replay.entries.values(), segments)
        self.recovered = {entry.transaction_id for entry in entries} | set(self.ledger.deferred)
        self.desk.start(entries)

    # ---- what the desk asks for ------------------------------------------------------------

    def now(self) -> float:
        """The time on our clock."""
        return self.clock

    def load(self, transaction_id: str) -> Entry | None:
        """Read a message from DEFEDB."""
        return self.reader.load(transaction_id)

    def resolve(
        self, transaction_id: str, forward_path: str, expand: bool,
        callback: Callable[[RouteResolved | None], None],
    ) -> None:  # fmt: skip
        """Answer at once, as the weather has it: by default everybody has a host of his own."""
        found = self.weather.routes.get(forward_path) if expand else None
        callback(found or route(forward_path))

    def deliver(self, delivery: Deliver) -> None:
        """Keep a delivery for later."""
        self.deliveries.append(delivery)
        self.log.append(delivery)

    # ---- what tests do ---------------------------------------------------------------------

    def submit(
        self, *recipients: str | Recipient, sender: str = "a@b.example", name: str = ""
    ) -> str:
        """Hand a message in as smtps does; give its id."""
        self._ids += 1
        transaction_id = name or f"S{self._ids:016X}{int(self.clock) % 251:02X}"
        people = tuple(one if isinstance(one, Recipient) else Recipient(one) for one in recipients)
        content = Content("cdb/1", 0, 1000, 200)
        envelope = Envelope(transaction_id, sender, people, content)
        self.desk.commit(envelope, self.answers.append)
        return transaction_id

    def write(self) -> bool:
        """One round of the commit thread."""
        batch = self.ledger.take_batch()
        if batch is None:
            return False
        for call, value in self.thread.write(batch):
            call(value)
        return True

    def run(self) -> None:
        """Go on until nothing moves any more."""
        moving = True
        while moving:
            self.desk.pump(self.clock)
            moving = bool(self.deliveries)
            while self.deliveries:
                self.answer(self.deliveries.popleft())
            moving = self.write() or moving

    def answer(self, delivery: Deliver) -> None:
        """Say for one delivery what the weather has for its recipients."""
        reached = self.weather.reached(delivery.next_hop.key)
        results = []
        for path in delivery.forward_paths:
            result = self.weather.results.get(path, SENT) if reached else LATER
            if result.outcome is Outcome.DELIVERED:
                self.sent.append((delivery.transaction_id, path))
            results.append(result)
        report = DeliveryReported(delivery.delivery_id, tuple(results), self.host, reached)
        self.desk.reported(report)

    def later(self, seconds: float) -> None:
        """Turn the clock on and go on."""
        self.clock += seconds
        self.desk.tick(self.clock)
        self.run()

    @property
    def accepted(self) -> set[str]:
        """The messages for which 250 was said."""
        return {one.transaction_id for one in self.answers if isinstance(one, TransactionCommitted)}

    @property
    def waiting(self) -> set[str]:
        """All that is in the queue."""
        return set(self.ledger.entries) | set(self.ledger.deferred)

    def _new_id(self) -> str:
        """Name a report."""
        self._ids += 1
        return f"Q{self._ids:016X}{int(self.clock) % 251:02X}"


def route(*paths: str, reverse_path: str = "") -> RouteResolved:
    """Make the answer of smar: each path goes to the host of its domain, local ones to LMTP."""
    return RouteResolved(0, Outcome.DELIVERED, tuple(_target(path, reverse_path) for path in paths))


def _target(path: str, reverse_path: str) -> Target:
    """Make one target."""
    domain = path.rpartition("@")[2]
    if domain == "local.test":
        hop = NextHop(Transport.LMTP, "local", (Host("lmtp", "/lmtp"),))
    else:
        hop = NextHop(Transport.SMTP, domain, (Host(f"mx.{domain}", "192.0.2.1"),))
    return Target(path, hop, reverse_path)

"""The broker of a class: makes and watches the trainees' machines, and keeps what they have done.

``python -m lab.classroom.broker`` runs it as root in the foreground, with the settings of `lab.classroom.settings`.
SIGTERM ends it; machines go on, and the next broker takes them up. What may be asked of it is in `protocol`, and
how it is answered in `desks`.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import signal
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from lab.chapters import Chapter, chapters
from lab.classroom import place, prepare, storage
from lab.classroom.desks import InstructorDesk, TraineeDesk
from lab.classroom.events import Events
from lab.classroom.keeper import Keeper
from lab.classroom.machine import Ends, Machine
from lab.classroom.progress import Board, Event
from lab.classroom.protocol import OF_INSTRUCTORS, OF_TRAINEES
from lab.classroom.serve import Door
from lab.classroom.settings import Settings, load
from lab.errors import LabError, UnknownName
from lab.lab import FRESH, Lab
from lab.session import Session

INSTRUCTORS = 256
"""Connections of the page, the spawner and `lab class` together."""
TRIES = 3
log = logging.getLogger("lab.classroom")


class Broker:
    """A class at work: its machines, its events, and who watches."""

    def __init__(self, settings: Settings, events: Events, pool: ThreadPoolExecutor) -> None:
        self.events = events
        self.moved = asyncio.Event()
        """Set at the next change, which puts another one in its place."""
        self.preparing = ""
        """What is being done for the ends of chapters; empty if nothing is."""
        self.numbers = tuple(each.number for each in chapters())
        self._titles = [
            {"number": each.number, "name": each.name, "title": each.title} for each in chapters()
        ]
        self._settings = settings
        self._pool = pool
        self._board = Board(events.all())
        self._servers = events.servers()
        self._ends = Ends(storage.provider(settings, place.MODEL))
        names = [each.name for each in settings.trainees]
        self.keepers = {name: self._keeper(name, self._ends) for name in names}
        self.model = self._keeper(place.MODEL, None)

    def doors(self) -> list[Door]:
        """A socket for each trainee, the model's, and the instructor's."""
        uids = {each.name: self._settings.uid(each) for each in self._settings.trainees}
        desks = [(name, uids[name], keeper) for name, keeper in self.keepers.items()]
        doors = [
            Door(
                place.trainee_socket(name), uid, OF_TRAINEES, TraineeDesk(name, keeper, self).answer
            )
            for name, uid, keeper in [*desks, (place.MODEL, 0, self.model)]
        ]
        desk = InstructorDesk(self)
        instructor = Door(place.instructor_socket(), 0, OF_INSTRUCTORS, desk.answer, INSTRUCTORS)
        return [*doors, instructor]

    async def begin(self) -> None:
        """Take up the machines that there are."""
        await self.saved(place.MODEL)
        await asyncio.gather(*(each.begin() for each in [self.model, *self.keepers.values()]))

    def close(self) -> None:
        """Leave the machines alone."""
        for each in [self.model, *self.keepers.values()]:
            each.close()

    def add(self, event: Event) -> None:
        """Keep what happened. Raises `LabError` if that trainee has too many events."""
        self.events.add(event)
        self._board.add(event)
        self._changed()

    def server(self, trainee: str, running: bool) -> None:
        """Keep whether a trainee's JupyterLab runs."""
        self.events.server(trainee, running)
        self._servers = self.events.servers()
        self._changed()

    async def saved(self, name: str) -> None:
        """The checkpoints of a machine have changed; those of the model are everybody's."""
        if name == place.MODEL:
            await asyncio.get_running_loop().run_in_executor(self._pool, self._ends.refresh)

    def table(self) -> dict[str, object]:
        """Trainees and chapters, as the protocol has them."""
        trainees = [
            {
                "name": each.name,
                "full_name": each.full_name,
                "server": "running" if each.name in self._servers else "stopped",
                "machine": self.keepers[each.name].state,
                "last": self._board.last(each.name),
                "chapters": self._board.cells(each.name, self.numbers),
            }
            for each in self._settings.trainees
        ]
        return {"chapters": self._titles, "trainees": trainees}

    def named(self, trainees: object) -> list[str]:
        """Logins of this class, from a list of them or ``all``. Raises `UnknownName`."""
        names: Iterable[str] = self.keepers if trainees == "all" else trainees  # type: ignore[assignment]
        for name in names:
            if name not in self.keepers:
                raise UnknownName("trainee", name, self.keepers)
        return list(dict.fromkeys(names))

    def prepared(self) -> list[Chapter]:
        """Chapters whose end the class has."""
        return [each for each in chapters() if _end(each) in self._ends.names]

    def start_of(self, number: int) -> str:
        """Checkpoint at which a chapter begins. Raises `LabError` while the class has not made it yet."""
        if number not in self.numbers:
            raise UnknownName("chapter", str(number), map(str, self.numbers))
        before = [each for each in chapters() if each.number < number]
        if not before:
            return FRESH
        if _end(before[-1]) not in self._ends.names:
            raise LabError(
                f"the class has not made the end of chapter {before[-1].number} yet: "
                f"{len(self.prepared())} of {len(self.numbers)} are ready",
                "wait for them: lab class status",
            )
        return _end(before[-1])

    async def prepare(self) -> None:
        """Make the ends of chapters that are not there yet, then end the machine that made them.

        On a host that a class keeps busy a chapter may take too long: it is done again, not those before it.
        """
        for _ in range(TRIES):
            if len(self.prepared()) == len(self.numbers):
                break
            self.preparing = "starting"
            async for line in prepare.lines():
                self.preparing = line
                log.info("ends of chapters: %s", line)
        if len(self.prepared()) < len(self.numbers):
            return  # `preparing` has the reason
        self.preparing = ""
        if self.model.state == "running":
            await self.model.cut_power()

    def _keeper(self, name: str, ends: Ends | None) -> Keeper:
        machine = Machine(storage.provider(self._settings, name), ends)
        return Keeper(name, machine, self.events, self._pool, self._changed)

    def _changed(self) -> None:
        """Wake all who watch."""
        self.moved.set()
        self.moved = asyncio.Event()


def _end(chapter: Chapter) -> str:
    """Name of the checkpoint at a chapter's end: the same that a trainee's own commands make of it."""
    return Session(Lab(provider="container"), lambda _: None).key(chapter.notebook)


async def run(settings: Settings) -> None:
    """Answer until SIGTERM or SIGINT."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    events = Events(place.events())
    with ThreadPoolExecutor(settings.at_once, "podman") as pool:
        broker = Broker(settings, events, pool)
        servers = [await door.open() for door in broker.doors()]
        log.info("%d sockets are open", len(servers))
        work = asyncio.create_task(_work(broker, settings))
        await ended.wait()
        for server in servers:
            server.close()
        work.cancel()
        broker.close()
        pool.shutdown(cancel_futures=True)
    events.close()


async def _work(broker: Broker, settings: Settings) -> None:
    """Take up the machines, then make what all will need. What fails is logged: requests are answered as ever."""
    try:
        await broker.begin()
        log.info("the machines are as they are meant to be")
        if settings.prepare:
            await broker.prepare()
    except Exception:
        log.exception("taking up the class")


def main() -> None:
    """Be the only broker of this class until a signal."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    place.run().mkdir(mode=0o700, exist_ok=True)
    with (place.run() / "broker.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            asyncio.run(run(load()))
        except BlockingIOError:
            sys.exit("the broker of this class runs already")
        except LabError as error:
            sys.exit(str(error))


if __name__ == "__main__":
    main()

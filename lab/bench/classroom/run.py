"""`lab bench class`: bring classes of several sizes up, and let everybody do the whole tutorial at the same time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import mean
from typing import Any, TypeVar

from lab.bench import results
from lab.bench.classroom.browser import Browser
from lab.bench.classroom.watch import Watch, disk
from lab.chapters import chapters
from lab.classroom import place, roster, tls
from lab.classroom import settings as class_settings
from lab.classroom.down import down
from lab.classroom.settings import Settings
from lab.classroom.up import Wish, up
from lab.errors import LabError, NotUp
from lab.providers.base import Progress

CHAPTER_SECONDS = 1800.0
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Record:
    """One class: seconds, MiB, seconds of processors; memory is the most at any look, without files that could go."""

    trainees: int
    up: float
    log_in: float
    servers: float
    tutorial: float
    fastest: float
    slowest: float
    down: float
    green: int
    """Chapters, of all trainees together, that were done and whose checks passed."""
    failed: tuple[str, ...]
    sandbox_memory: float
    machine_memory: float
    services_memory: float
    whole_memory: float
    sandbox_cpu: float
    machine_cpu: float
    home_disk: float
    machine_disk: float
    commit: str
    """What was measured."""


def measure(sizes: Sequence[int], progress: Progress, limit: int | None = None) -> list[Record]:
    """A record of each size, in that order. Raises `LabError` if a class is up already."""
    try:
        class_settings.load()
    except NotUp:
        return [_one(size, progress, limit) for size in sizes]
    raise LabError("a class is up here", "lab class down, or LAB_HOME=/another/folder")


def _one(size: int, progress: Progress, limit: int | None) -> Record:
    """One class from nothing to nothing."""

    def step(text: str) -> None:
        progress(f"{size} trainees: {text}")

    began = time.monotonic()
    try:
        settings = up(Wish(roster.numbered(size), idle_minutes=0, prepare=False), step)
        taken_up = time.monotonic() - began
        return _worked(settings, taken_up, step, limit)
    finally:
        down(step)


def _worked(settings: Settings, taken_up: float, step: Progress, limit: int | None) -> Record:
    commit = results.commit()  # now: it may be another when all is done
    words = {row[0]: row[2] for row in roster.rows(place.passwords().read_text())}
    origin = f"https://localhost:{settings.port}"
    people = [Browser(origin, tls.certificate_file(), each.name) for each in settings.trainees]
    watch = Watch([each.name for each in people])
    watch.start()
    step("logging in")
    _, log_in = _all(people, lambda person: person.log_in(words[person.name]))
    step("starting servers and machines")
    _, servers = _all(people, lambda person: person.start())
    done: list[str] = []

    def tutorial(person: Browser) -> tuple[float, list[str]]:
        return _tutorial(
            person, lambda text: step(f"{len(done)} chapters done; {text}"), done, limit
        )

    found, taken = _all(people, tutorial)
    watch.stop()
    disks = [disk(person.name) for person in people]
    step("going down")
    began = time.monotonic()
    down(step)
    return Record(
        trainees=len(people),
        up=taken_up,
        log_in=log_in,
        servers=servers,
        tutorial=taken,
        fastest=min(seconds for seconds, _ in found),
        slowest=max(seconds for seconds, _ in found),
        down=time.monotonic() - began,
        green=len(done),
        failed=tuple(text for _, texts in found for text in texts),
        sandbox_memory=mean(each.memory for each in watch.sandboxes.values()),
        machine_memory=mean(each.memory for each in watch.machines.values()),
        services_memory=watch.services.memory,
        whole_memory=watch.whole,
        sandbox_cpu=mean(each.seconds for each in watch.sandboxes.values()),
        machine_cpu=mean(each.seconds for each in watch.machines.values()),
        home_disk=mean(home for home, _ in disks),
        machine_disk=mean(machine for _, machine in disks),
        commit=commit,
    )


def _tutorial(
    person: Browser, say: Progress, done: list[str], limit: int | None
) -> tuple[float, list[str]]:
    """All chapters, one after the other: done, and checked. Gives seconds and what failed; stops at the first."""
    began = time.monotonic()
    for chapter in chapters()[:limit]:
        for command in ("solve", "check"):
            *lines, last = person.run(command, chapter.number, seconds=CHAPTER_SECONDS)
            if last.get("code") != 0:
                said = " | ".join(str(each.get("line", "")) for each in lines[-8:])
                failed = f"{person.name}, {command} {chapter.number}: {said}"
                say(failed)
                return time.monotonic() - began, [failed]
        done.append(f"{person.name} {chapter.number}")
        say(f"{person.name} did {chapter.name}")
    return time.monotonic() - began, []


def _all(people: Sequence[Browser], do: Callable[[Browser], Result]) -> tuple[list[Result], float]:
    """Everybody at the same time; what each gives, and the seconds until the last is done."""
    began = time.monotonic()
    with ThreadPoolExecutor(len(people)) as pool:
        found = list(pool.map(do, people))
    return found, time.monotonic() - began


def from_dict(values: Mapping[str, Any]) -> Record:
    """What `dataclasses.asdict` made of a record."""
    return Record(**{**values, "failed": tuple(values["failed"])})

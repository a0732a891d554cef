"""`lab bench interop`: everything against everything, on a machine of its own; what was found is stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from lab.bench import results
from lab.bench.foreign import unpack
from lab.bench.install import build, install
from lab.bench.interop import clients, passing, peers, reading, sending, suite
from lab.bench.interop.contents import Content, contents
from lab.bench.interop.verdict import Feature, Verdicts, failures, matrix
from lab.bench.interop.world import World
from lab.bench.results import Cell, Table
from lab.chapters import chapter
from lab.host import Host
from lab.lab import Lab
from lab.providers.base import Progress
from lab.session import Session

THIRD = "03-certificates"
"""After this chapter Cyrus delivers, and the lab's authority has signed."""
NAME = "interoperability"
COMMAND = "lab bench interop"


@dataclass(frozen=True, slots=True)
class Part:
    """One table: its rows, and what was found."""

    caption: str
    features: Sequence[Feature]
    found: Verdicts


@dataclass(slots=True)
class Extent:
    """How much: which programs, how large, how many."""

    senders: Sequence[clients.Client] = clients.CLIENTS
    servers: Sequence[peers.Peer] = peers.PEERS
    readers: Sequence[reading.Reader] = reading.READERS
    packages: Sequence[Sequence[str]] = field(
        default_factory=lambda: (clients.PACKAGES, reading.PACKAGES)
    )
    large: int = 10_000_000
    people: int = 100


def begun(vm: Host, extent: Extent, kinds: Sequence[Content], progress: Progress) -> World:
    """Make a machine with MeTA1 installed ready for it; its configuration is another then. Raises `LabError`."""
    for packages in (*extent.packages, *(each.packages for each in extent.servers)):
        unpack(vm, packages, progress)
    world = World(vm, extent.people)
    progress("names, certificates, mailboxes, servers")
    world.prepare(kinds)
    hosts = {each.host: each.address for each in extent.servers}
    for each in extent.servers:
        hosts |= each.doors
    world.names_of_others(hosts, {each.domain: each.host for each in extent.servers})
    world.meta1(verify=True, restart=True)
    for each in extent.servers:
        each.configure(world)
        each.start(world)
    return world


def compare(vm: Host, extent: Extent, progress: Progress) -> tuple[World, dict[str, Part]]:
    """Run it on a machine with MeTA1 installed; its configuration is another afterwards. Raises `LabError`."""
    kinds = contents(extent.large)
    world = begun(vm, extent, kinds, progress)
    hand = reading.by_hand(world)
    sent = sending.run(world, extent.senders, kinds, progress)
    some = sending.Sender(world, extent.senders[0], kinds)
    progress("reading by other programs")
    read = reading.read(world, extent.readers, [some.ident(each.name) for each in kinds])
    out, doors, back = passing.run(passing.Passing(world, kinds, extent.servers), progress)
    parts = {
        "clients": Part("Programs that send to MeTA1", sending.FEATURES, sent),
        "hand": Part("Talks on a socket", reading.BY_HAND, {"MeTA1": hand}),
        "readers": Part("Programs that read what came", reading.FEATURES, read),
        "next": Part("Mail servers behind MeTA1", passing.NEXT_HOP, out),
        "doors": Part("Where something is missing or wrong", passing.DOORS, {"MeTA1": doors}),
        "before": Part("Mail servers before MeTA1", passing.CLIENT, back),
    }
    return world, parts


def stop(world: World, servers: Sequence[peers.Peer]) -> None:
    """Stop what was started; the other servers' addresses are free again."""
    for each in servers:
        each.stop(world)


def versions(vm: Host, extent: Extent) -> Table:
    """What each program says of its version."""
    rows: list[list[Cell]] = []
    programs: list[clients.Client | peers.Peer | reading.Reader] = [
        *extent.senders, *extent.servers, *extent.readers
    ]  # fmt: skip
    for each in programs:
        words = vm.run(each.version, check=False).stdout.split()
        number = next((word for word in words if word[:1].isdigit()), " ".join(words) or None)
        rows.append([each.name, number])
    return Table("Programs of Debian 12, as they name their version", ["program", "version"], rows)


def full(lab: Lab, progress: Progress, programs: bool = True) -> list[str]:
    """The whole, or only the tests of another server; stores it, and gives what does not hold."""
    session = Session(lab, progress)
    session.goto(chapter(THIRD))
    session.finish(chapter(THIRD))
    progress("building and installing MeTA1")
    install(lab.host, build(lab.host))
    wrong: list[str] = []
    if programs:
        extent = Extent()
        world, parts = compare(lab.host, extent, progress)
        wrong = _store_programs(lab.host, extent, parts)
    else:
        extent = Extent(servers=suite.SERVERS, packages=(), people=1)
        world = begun(lab.host, extent, (), progress)
    foreign = suite.compared(world, progress)
    stop(world, extent.servers)
    tables = {"suite": foreign.table(), "deviations": foreign.deviations()}
    _store("aiosmtpd's tests", tables, foreign.facts())
    return wrong + [f"aiosmtpd's suite: {each}" for each in foreign.wrong()]


def _store_programs(vm: Host, extent: Extent, parts: Mapping[str, Part]) -> list[str]:
    """Store what was found of programs; gives what does not hold."""
    tables = {name: matrix(part.caption, part.features, part.found) for name, part in parts.items()}
    tables["versions"] = versions(vm, extent)
    wrong = [line for part in parts.values() for line in failures(part.found)]
    count = sum(len(verdicts) for part in parts.values() for verdicts in part.found.values())
    _store("programs", tables, {"cells": count, "failed": len(wrong)})
    return wrong


def _store(part: str, tables: Mapping[str, Table], facts: Mapping[str, Cell]) -> None:
    """Store a part of the figures; the other one stays, with the day and the commit of its own run."""
    old = results.load(NAME) if results.path_of(NAME).exists() else results.Results(NAME, COMMAND)
    run = {"part": part, "day": f"{datetime.now(UTC):%Y-%m-%d}", "commit": results.commit()}
    runs = [each for each in old.series if each["part"] != part] + [run]
    shown = Table(
        "When each part was run",
        ("part", "day", "commit"),
        [(each["part"], each["day"], each["commit"]) for each in runs],
    )
    results.store(
        NAME,
        COMMAND,
        tables={**old.tables, **tables, "runs": shown},
        facts={**old.facts, **facts},
        series=runs,
    )

"""The faults: what is done to the machine, for how long, and how it is undone.

Each is a context: entering it strikes, leaving it undoes. `prepare` is what a whole series needs. All choices come
from the chance that is handed in, so that a seed says what was done.
"""

from __future__ import annotations

import json
import random
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

from lab.bench.faults.disk import Disk, small_disk
from lab.bench.faults.ground import CYRUS, FAR, FOLDER, KEPT, MODULES, NAMES, OWN, Ground
from lab.bench.faults.programs.destination import PHASES

HERE, THERE = "alice@lab.example", "someone@partner.example"
"""A recipient whose mailbox is here, by LMTP; and one who is found by DNS, by SMTP."""
ACTIONS = ("hang", "drop", "slow", "refuse")
LIES = ("servfail", "nxdomain", "wrong", "silent", "truncated", "garbage", "refused", "late")
JUMPS = (-86400, -3600, -60, 60, 3600, 86400)
Strike = Callable[[Ground, random.Random, Any], AbstractContextManager[None]]


@contextmanager
def nothing(_: Ground) -> Iterator[None]:
    """A series that needs nothing."""
    yield


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault. `lasts` is for how long, at least and at most, in seconds."""

    name: str
    group: str
    done: str
    """What is done, for people."""
    strike: Strike
    lasts: tuple[float, float] = (0.0, 0.0)
    prepare: Callable[[Ground], AbstractContextManager[Any]] = nothing
    to: tuple[str, ...] = (HERE,)
    machines: tuple[str, ...] = ("container", "vagrant")
    traffic: int = 3
    """Messages that are taken between two of them, at least."""


# -- processes ------------------------------------------------------------------------------------


@contextmanager
def kill(
    names: tuple[str, ...], ground: Ground, chance: random.Random, _: object
) -> Iterator[None]:
    """SIGKILL; others must take their place. After mcp's death that is systemd's work."""
    before = ground.processes()
    struck = {name: pid for name, pid in before.items() if name.split(".")[0] in names}
    if len(names) == 1 and len(struck) > 1:
        struck = dict([chance.choice(sorted(struck.items()))])
    ground.vm.run("kill -KILL %s" + " %s" * (len(struck) - 1), *struck.values(), as_user="root")
    yield
    ground.await_up(struck)


@contextmanager
def freeze(ground: Ground, chance: random.Random, __: object) -> Iterator[None]:
    """SIGSTOP for one of them: it is there, and does nothing."""
    _, pid = chance.choice(sorted(ground.processes().items()))
    ground.vm.run("kill -STOP %s", pid, as_user="root")
    yield
    # Somebody may have ended it meanwhile, as it did not answer.
    ground.vm.run("kill -CONT %s", pid, as_user="root", check=False)
    ground.await_up()


# -- disk -----------------------------------------------------------------------------------------


@contextmanager
def full(ground: Ground, _: random.Random, disk: Disk) -> Iterator[None]:
    """Not a byte is left for the queue."""
    disk.fill()
    yield
    disk.free()
    ground.await_up()


@contextmanager
def read_only(ground: Ground, _: random.Random, disk: Disk) -> Iterator[None]:
    """ext4 has found an error and has made itself read-only; an operator repairs it."""
    disk.fail()
    yield
    disk.repair()
    ground.await_up()


# -- destinations ---------------------------------------------------------------------------------


@contextmanager
def socket_gone(ground: Ground, _: random.Random, __: object) -> Iterator[None]:
    """Nobody finds the LMTP socket of Cyrus'."""
    ground.vm.run("mv %s %s.gone", CYRUS, CYRUS, as_user="root")
    yield
    ground.vm.run("mv %s.gone %s", CYRUS, CYRUS, as_user="root")


@contextmanager
def own_servers(ground: Ground) -> Iterator[Iterator[str]]:
    """Deliver to a destination, and ask a name server, that do as they are told; gives the actions in turns."""
    for name in ("mode", "names"):
        ground.tell(name, "")
    ground.serve("destination", OWN, FAR, FOLDER, f"{KEPT}/taken")
    ground.serve("nameserver", NAMES, FAR, FOLDER)
    ground.configure(OWN)
    try:
        yield cycle(ACTIONS)
    finally:
        ground.configure()
        for name in ("destination", "nameserver"):
            ground.serve_no_more(name)


@contextmanager
def misbehave(
    phase: str, ground: Ground, chance: random.Random, actions: Iterator[str]
) -> Iterator[None]:
    """The destination hangs, drops the connection, is slow or refuses, in one phase, always or often.

    Each of them in its turn, so that four strikes try all four.
    """
    mode = {"phase": phase, "action": next(actions), "share": chance.choice((0.5, 1.0))}
    ground.tell("mode", json.dumps(mode))
    yield
    ground.tell("mode", "{}")


@contextmanager
def lie(word: str, ground: Ground, _: random.Random, __: object) -> Iterator[None]:
    """DNS misbehaves."""
    ground.tell("names", word)
    yield
    ground.tell("names", "")


# -- clock ----------------------------------------------------------------------------------------


@contextmanager
def other_clock(ground: Ground) -> Iterator[None]:
    """A clock that can be set: the virtual machine's own, or one before the clock of the container's host."""
    if ground.is_virtual:
        yield
        return
    ground.vm.put(Path(__file__).parent / "programs" / "clock.c", f"{KEPT}/clock.c")
    library = f"{KEPT}/clock.so"
    ground.vm.run("gcc -O2 -shared -fPIC -o %s %s", library, f"{KEPT}/clock.c", as_user="root")
    _shift(ground, 0)
    ground.vm.put(f"{library}\n", "/etc/ld.so.preload")
    try:
        ground.configure()
        yield
    finally:
        ground.vm.run("rm -f /etc/ld.so.preload", as_user="root")
        ground.configure()


@contextmanager
def jump(ground: Ground, chance: random.Random, _: object) -> Iterator[None]:
    """The time of day is another, and then right again; Cyrus is away while it changes, so mail is deferred."""
    away = chance.random() < 0.5
    seconds = chance.choice(JUMPS)
    with socket_gone(ground, chance, None) if away else nothing(ground):
        time.sleep(0.5 * away)
        _shift(ground, seconds)
        time.sleep(1.5 * away)
    yield
    _shift(ground, 0)


def _shift(ground: Ground, seconds: int) -> None:
    if ground.is_virtual:
        ground.vm.run("date --utc --set=@%s", f"{time.time() + seconds:.3f}", as_user="root")
    else:
        # Written in place: the programs have mapped this very file.
        ground.vm.run(
            "dd of=%s bs=8 conv=notrunc status=none",
            f"{FOLDER}/clock",
            input=struct.pack("@q", seconds),
            as_user="root",
        )


# -- power ----------------------------------------------------------------------------------------


@contextmanager
def power(ground: Ground, chance: random.Random, _: object) -> Iterator[None]:
    """The machine's power goes; often while nobody takes mail, so that the queue is all there is of it.

    The destination is our own: Cyrus' mailboxes do not always survive it, which is not what is asked here.
    """
    if chance.random() < 0.5:
        ground.tell("mode", json.dumps({"phase": "connect", "action": "drop"}))
        time.sleep(chance.uniform(0.5, 4.0))
    yield
    ground.cut_power()
    ground.await_up()


# -- the table ------------------------------------------------------------------------------------

KILLS = tuple(
    Fault(f"kill {name}", "kill", f"SIGKILL to {name}", partial(kill, (name,)))
    for name in (*MODULES, "mcp")
)
PHASE_FAULTS = tuple(
    Fault(
        f"destination {phase}",
        "destination",
        f"the destination hangs, drops, is slow or refuses: {words}",
        partial(misbehave, phase),
        (4.0, 9.0),
        own_servers,
        (HERE, THERE),
    )
    for phase, words in zip(
        PHASES,
        (
            "before its greeting",
            "in its greeting",
            "at LHLO or EHLO",
            "at MAIL",
            "at RCPT",
            "at DATA",
            "within the content",
            "after the dot, the message not taken",
            "after the dot, the message taken",
        ),
        strict=True,
    )
)
DNS_FAULTS = tuple(
    Fault(
        f"dns {word}", "dns", f"DNS: {words}", partial(lie, word), (2.0, 5.0), own_servers, (THERE,)
    )
    for word, words in zip(
        LIES,
        (
            "SERVFAIL",
            "NXDOMAIN for a name that is there",
            "the address of a machine where nobody listens",
            "no answer at all",
            "truncated, and no answer over TCP",
            "bytes that are no answer",
            "REFUSED",
            "the answer comes after the time-out",
        ),
        strict=True,
    )
)
FAULTS = (
    *KILLS,
    Fault(
        "kill all", "kill", "SIGKILL to all five at once", partial(kill, (*MODULES, "mcp"))
    ),
    Fault("stop", "stop", "SIGSTOP to one of the five, for seconds", freeze, (1.0, 5.0)),
    Fault("disk full", "disk", "no room left on the disk of the queue", full, (2.0, 5.0), small_disk),
    Fault(
        "disk read-only", "disk", "that disk goes read-only", read_only, (1.0, 4.0), small_disk
    ),
    Fault("socket gone", "destination", "the LMTP socket is not there", socket_gone, (1.0, 5.0)),
    *PHASE_FAULTS,
    *DNS_FAULTS,
    Fault(
        "clock", "clock", "the clock jumps by a minute, an hour or a day, and back", jump,
        (1.0, 4.0), other_clock,
    ),
    Fault(
        "power cut", "power", "SIGKILL to the emulator of the machine, then a boot", power,
        prepare=own_servers, machines=("vagrant",), traffic=15,
    ),
)  # fmt: skip

"""Many faults of one kind, one after the other, under one load; and the account of it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lab.bench.faults.ground import Ground, until
from lab.bench.faults.ledger import Account, Step
from lab.bench.faults.load import SENDERS, Load
from lab.bench.faults.strikes import Fault
from lab.providers.base import Progress

AGAIN = 120.0
"""Seconds in which mail must be taken again after a fault is over."""


@dataclass(frozen=True, slots=True)
class Series:
    """What was done and what came of it. `seconds` are from the end of each fault until mail was taken again."""

    fault: str
    group: str
    done: str
    machine: str
    seed: int
    times: int
    seconds: list[float]
    account: Account
    steps: dict[Step, int]
    sent: int
    drained: float
    """Seconds until the queue was empty, after the last fault."""


def run(
    ground: Ground,
    faults: Sequence[Fault],
    times: int,
    seed: int,
    progress: Progress,
    senders: int = SENDERS,
) -> Series:
    """Strike that often with each, in any order, under load; drain the queue, settle the account.

    All must need the same preparation. Raises `LabError` if mail is not taken again, or the queue does not drain.
    """
    first = faults[0]
    name = first.name if len(faults) == 1 else first.group
    label = f"{name.replace(' ', '-')}-{seed}-{random.SystemRandom().getrandbits(32):x}"
    chance = random.Random(f"{seed} {name}")
    turns = [fault for fault in faults for _ in range(times)]
    chance.shuffle(turns)
    to = sorted({address for fault in faults for address in fault.to})
    seconds = []
    with first.prepare(ground) as tools:
        ground.begin()
        with Load(ground.dial, label, to, seed, senders) as load:
            for number, fault in enumerate(turns, 1):
                seconds.append(_once(ground, fault, chance, tools, load))
                progress(
                    f"{fault.name}, {number} of {len(turns)}: mail after {seconds[-1]:.2f} s, {load.taken} taken"
                )
        began = time.monotonic()
        ground.drain()
        drained = time.monotonic() - began
        account, steps = ground.settle(label, load.sent)
    return Series(
        name, first.group, first.done, ground.lab.kind(), seed, len(turns), seconds, account, dict(steps),
        len(load.sent), drained,
    )  # fmt: skip


def _once(ground: Ground, fault: Fault, chance: random.Random, tools: object, load: Load) -> float:
    """One fault in the middle of the traffic; gives the seconds until mail is taken again."""
    began = time.time()
    _await(ground, "traffic before a fault", lambda: load.since(began) >= fault.traffic)
    time.sleep(chance.uniform(0.0, 0.1))
    with fault.strike(ground, chance, tools):
        time.sleep(chance.uniform(*fault.lasts))
        over = time.time()
    _await(ground, f"mail after {fault.name}", lambda: load.since(over) > 0)
    return time.time() - over


def _await(ground: Ground, say: str, what: Callable[[], bool]) -> None:
    until(what, say, ground.words, AGAIN)

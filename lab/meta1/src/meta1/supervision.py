"""Who is started, stopped and started again, and when: pure decisions of mcp.

Two things live here. ``TABLE`` says for one process what each event means in each state; nothing
else changes a state. ``Supervisor`` puts the processes in order: start last to first, stop first
to last, take dependents down with the one that died. Time comes in as an argument; what is to be
done comes out as orders.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final


class State(Enum):
    """What a process is doing."""

    DOWN = "down"
    STARTING = "starting"
    UP = "up"
    STOPPING = "stopping"
    KILLING = "killing"
    """It did not stop in time."""
    FAILING = "failing"
    """It did not serve in time and was killed; another start will follow."""
    WAITING = "waiting"
    """It ended by itself; it is started again when its wait is over."""


class Event(Enum):
    """What can happen to a process."""

    START = "start"
    READY = "ready"
    EXIT = "exit"
    STOP = "stop"
    LATE = "late"
    """The deadline of the state has passed."""


class Action(Enum):
    """What is to be done; the first three are orders for the shell."""

    SPAWN = "spawn"
    TERMINATE = "terminate"
    KILL = "kill"
    BACK_OFF = "back off"
    DEPENDENTS = "stop dependents"
    SETTLE = "settle"
    PLAN = "plan"


ORDERS: Final = frozenset({Action.SPAWN, Action.TERMINATE, Action.KILL})

_S, _E, _A = State, Event, Action
_CHANGES: Final[Mapping[tuple[State, Event], tuple[State, tuple[Action, ...]]]] = {
    (_S.DOWN, _E.START): (_S.STARTING, (_A.SPAWN,)),
    (_S.STARTING, _E.READY): (_S.UP, (_A.SETTLE,)),
    (_S.STARTING, _E.EXIT): (_S.WAITING, (_A.BACK_OFF, _A.SETTLE)),
    (_S.STARTING, _E.LATE): (_S.FAILING, (_A.KILL,)),
    (_S.STARTING, _E.STOP): (_S.STOPPING, (_A.TERMINATE,)),
    (_S.UP, _E.EXIT): (_S.WAITING, (_A.BACK_OFF, _A.DEPENDENTS)),
    (_S.UP, _E.STOP): (_S.STOPPING, (_A.TERMINATE,)),
    (_S.STOPPING, _E.EXIT): (_S.DOWN, ()),
    (_S.STOPPING, _E.LATE): (_S.KILLING, (_A.KILL,)),
    (_S.KILLING, _E.EXIT): (_S.DOWN, ()),
    (_S.KILLING, _E.LATE): (_S.KILLING, (_A.KILL,)),
    (_S.FAILING, _E.EXIT): (_S.WAITING, (_A.BACK_OFF, _A.SETTLE)),
    (_S.FAILING, _E.LATE): (_S.FAILING, (_A.KILL,)),
    (_S.FAILING, _E.STOP): (_S.KILLING, ()),
    (_S.WAITING, _E.LATE): (_S.DOWN, (_A.PLAN,)),
    (_S.WAITING, _E.STOP): (_S.DOWN, ()),
}
TABLE: Final = {
    (state, event): _CHANGES.get((state, event), (state, ())) for state in State for event in Event
}
"""Every pair of state and event; what is not among the changes changes nothing."""


@dataclass(frozen=True, slots=True)
class Times:
    """The times of section ``mcp``."""

    start: float = 30.0
    stop: float = 15.0
    min_wait: float = 1.0
    max_wait: float = 60.0
    steady: float = 60.0
    kill: float = 5.0


@dataclass(frozen=True, slots=True)
class Order:
    """Something the shell has to do now."""

    action: Action
    name: str


@dataclass(slots=True)
class Watched:
    """One process: ``name`` is its own, ``module`` that of its section."""

    name: str
    module: str
    dependencies: frozenset[str] = frozenset()
    state: State = State.DOWN
    since: float = 0.0
    deadline: float | None = None
    failures: int = 0
    wait: float = 0.0
    """How long it has to wait before its next start, if it is waiting."""
    is_planned: bool = False
    """It is to be started when its turn comes."""


@dataclass(slots=True)
class Supervisor:
    """All processes, in the order of the configuration file."""

    watched: list[Watched]
    times: Times = field(default_factory=Times)
    is_ending: bool = False

    def start(self, now: float) -> list[Order]:
        """Start everything, the last of the file first."""
        return self.plan((each.name for each in self.watched), now)

    def plan(self, names: Iterable[str], now: float) -> list[Order]:
        """Start these again: those that run are stopped first."""
        orders: list[Order] = []
        for name in names:
            each = self.find(name)
            each.is_planned = True
            orders += self._event(each, Event.STOP, now)
        return orders + self._go_on(now)

    def stop(self, now: float) -> list[Order]:
        """Stop everything, the first of the file first, one after the other."""
        self.is_ending = True
        return self._go_on(now)

    def happened(self, name: str, event: Event, now: float) -> list[Order]:
        """A process is ready or has ended."""
        return self._event(self.find(name), event, now) + self._go_on(now)

    def tick(self, now: float) -> list[Order]:
        """Treat every deadline that has passed."""
        orders: list[Order] = []
        for each in self.watched:
            if each.deadline is not None and each.deadline <= now:
                orders += self._event(each, Event.LATE, now)
        return orders + self._go_on(now)

    def next_deadline(self) -> float | None:
        """When ``tick`` has something to do, unless something happens before."""
        deadlines = [each.deadline for each in self.watched if each.deadline is not None]
        return min(deadlines, default=None)

    @property
    def is_down(self) -> bool:
        """Whether no process is left."""
        return all(each.state is State.DOWN for each in self.watched)

    def find(self, name: str) -> Watched:
        """The process of this name."""
        return next(each for each in self.watched if each.name == name)

    def _event(self, each: Watched, event: Event, now: float) -> list[Order]:
        state, actions = TABLE[each.state, event]
        served = now - each.since if each.state is State.UP else 0.0
        if state is not each.state or actions:
            each.state, each.since = state, now
            each.deadline = self._deadline(state, now)
        orders = [Order(action, each.name) for action in actions if action in ORDERS]
        for action in actions:
            if effect := _EFFECTS.get(action):
                orders += effect(self, each, now, served)
        return orders

    def _deadline(self, state: State, now: float) -> float | None:
        times = self.times
        wait = {
            State.STARTING: times.start, State.STOPPING: times.stop,
            State.KILLING: times.kill, State.FAILING: times.kill,
        }.get(state)  # fmt: skip
        return None if wait is None else now + wait

    def _go_on(self, now: float) -> list[Order]:
        return list(self._stop_next(now) if self.is_ending else self._start_next(now))

    def _stop_next(self, now: float) -> Iterator[Order]:
        for each in self.watched:
            each.is_planned = False
            yield from self._event(each, Event.STOP, now)
            if each.state is not State.DOWN:
                return

    def _start_next(self, now: float) -> Iterator[Order]:
        """Start planned ones in order; each waits until the one before has been tried."""
        planned = [each for each in reversed(self.watched) if each.is_planned]
        if any(each.state in (State.STOPPING, State.KILLING) for each in planned):
            return
        for each in planned:
            yield from self._event(each, Event.START, now)
            if each.is_planned:
                return

    def _back_off(self, each: Watched, now: float, served: float) -> list[Order]:
        """Wait before the next start: not at all after steady service, else longer each time."""
        each.failures = 0 if served >= self.times.steady else each.failures + 1
        each.wait = 0.0
        if each.failures:
            # The exponent is bounded because a module may fail for months.
            doubled = self.times.min_wait * 2.0 ** min(each.failures - 1, 30)
            each.wait = min(self.times.max_wait, doubled)
        each.deadline = now + each.wait
        return []

    def _stop_dependents(self, each: Watched, now: float, served: float) -> list[Order]:
        each.is_planned = True
        orders: list[Order] = []
        for other in self.watched:
            if other is not each and other.module in each.dependencies:
                other.is_planned = True
                orders += self._event(other, Event.STOP, now)
        return orders

    def _settle(self, each: Watched, now: float, served: float) -> list[Order]:
        each.is_planned = False
        return []

    def _plan(self, each: Watched, now: float, served: float) -> list[Order]:
        each.is_planned = True
        return []


_EFFECTS: Final[
    Mapping[Action, Callable[[Supervisor, Watched, float, float], list[Order]]]
] = {
    Action.BACK_OFF: Supervisor._back_off,
    Action.DEPENDENTS: Supervisor._stop_dependents,
    Action.SETTLE: Supervisor._settle,
    Action.PLAN: Supervisor._plan,
}

"""Decisions of mcp, replayed as histories with a clock that stands still."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meta1.supervision import TABLE, Action, Event, State, Supervisor, Times, Watched

READY, EXIT = Event.READY, Event.EXIT
DEPENDENCIES = {"qmgr": {"smtps", "smtpc", "smar"}, "smar": {"smtps", "qmgr"}}
ORDER = ["smtps", "smtpc", "qmgr", "smar"]


class History:
    """A supervisor with the tutorial's modules, and what it has ordered so far."""

    def __init__(self, dependencies: dict[str, set[str]] = DEPENDENCIES) -> None:
        self.now = 0.0
        self.supervisor = Supervisor(
            [Watched(name, name, frozenset(dependencies.get(name, ()))) for name in ORDER],
            Times(start=30, stop=15, min_wait=1, max_wait=8, steady=60),
        )

    def say(self, orders: list[object]) -> list[str]:
        return [f"{each.action.value} {each.name}" for each in orders]  # type: ignore[attr-defined]

    def start(self) -> list[str]:
        return self.say(self.supervisor.start(self.now))

    def stop(self) -> list[str]:
        return self.say(self.supervisor.stop(self.now))

    def event(self, name: str, event: Event) -> list[str]:
        return self.say(self.supervisor.happened(name, event, self.now))

    def wait(self, seconds: float) -> list[str]:
        self.now += seconds
        return self.say(self.supervisor.tick(self.now))

    def all_up(self) -> None:
        self.start()
        for name in reversed(ORDER):
            self.event(name, READY)

    def states(self) -> dict[str, str]:
        return {each.name: each.state.value for each in self.supervisor.watched}


def test_table_answers_everything() -> None:
    """Every event in every state has an answer."""
    assert set(TABLE) == {(state, event) for state in State for event in Event}


def test_table_is_what_the_document_shows() -> None:
    """doc/PROCESSES.md has exactly the changes of the table."""
    document = (Path(__file__).parent.parent / "doc/PROCESSES.md").read_text()
    for (state, event), (new, actions) in TABLE.items():
        row = f"| {state.value} | {event.value} | {new.value} | "
        row += ", ".join(action.value for action in actions) + " |"
        assert (row in document) == (new is not state or bool(actions)), row


def test_starts_last_to_first_one_after_the_other() -> None:
    """The next one is started when the one before serves."""
    history = History()
    assert history.start() == ["spawn smar"]
    assert history.event("smar", READY) == ["spawn qmgr"]
    assert history.event("qmgr", READY) == ["spawn smtpc"]
    assert history.event("smtpc", READY) == ["spawn smtps"]
    assert history.event("smtps", READY) == []


def test_stops_first_to_last_one_after_the_other() -> None:
    """smtps goes first, so that what it has accepted is still taken."""
    history = History()
    history.all_up()
    assert history.stop() == ["terminate smtps"]
    assert history.event("smtps", EXIT) == ["terminate smtpc"]
    assert history.event("smtpc", EXIT) == ["terminate qmgr"]
    assert history.event("qmgr", EXIT) == ["terminate smar"]
    assert not history.supervisor.is_down
    assert history.event("smar", EXIT) == []
    assert history.supervisor.is_down


def test_one_that_does_not_stop_is_killed() -> None:
    """SIGKILL after the time to stop, and again until it is gone."""
    history = History()
    history.all_up()
    history.stop()
    assert history.wait(14) == []
    assert history.wait(1) == ["kill smtps"]
    assert history.wait(5) == ["kill smtps"]
    assert history.event("smtps", EXIT) == ["terminate smtpc"]


def test_death_takes_dependents_down_and_up_in_order() -> None:
    """smar dies: smtps and qmgr stop, then smar, qmgr, smtps start; smtpc is left alone."""
    history = History()
    history.all_up()
    assert history.event("smar", EXIT) == ["terminate smtps", "terminate qmgr"]
    assert history.event("qmgr", EXIT) == []
    assert history.wait(1) == []
    assert history.event("smtps", EXIT) == ["spawn smar"]
    assert history.event("smar", READY) == ["spawn qmgr"]
    assert history.event("qmgr", READY) == ["spawn smtps"]
    assert history.states()["smtpc"] == "up"


def test_first_try_failed_lets_the_others_start() -> None:
    """A module that cannot start is no reason for the rest to stay down."""
    history = History()
    history.start()
    assert history.event("smar", EXIT) == ["spawn qmgr"]


def test_hanging_start_is_killed_and_the_others_start() -> None:
    """Nobody waits for ever for a module that never says ready."""
    history = History()
    history.start()
    assert history.wait(30) == ["kill smar"]
    assert history.event("smar", EXIT) == ["spawn qmgr"]


def test_waits_grow_and_have_an_end() -> None:
    """1, 2, 4, 8, 8 seconds; after steady service none."""
    history = History({})
    history.all_up()
    waits = []
    for _ in range(5):
        history.event("smtpc", EXIT)
        deadline = history.supervisor.next_deadline()
        assert deadline is not None
        waits.append(deadline - history.now)
        assert history.wait(waits[-1]) == ["spawn smtpc"]
        history.event("smtpc", READY)
    assert waits == [1, 2, 4, 8, 8]
    history.now += 60
    history.event("smtpc", EXIT)
    assert history.wait(0) == ["spawn smtpc"]


def test_stop_while_starting_and_while_waiting() -> None:
    """A stop in the middle of anything leads to all being down."""
    history = History()
    history.start()
    history.event("smar", READY)
    history.event("qmgr", EXIT)
    assert history.stop() == ["terminate smtpc"]
    assert history.event("smtpc", EXIT) == ["terminate smar"]
    assert history.event("smar", EXIT) == []
    assert history.supervisor.is_down
    assert history.wait(100) == []


def test_late_ready_of_a_dead_process_is_nothing() -> None:
    """An event that cannot be in this state changes nothing."""
    history = History()
    history.all_up()
    history.stop()
    assert history.event("smtps", READY) == []
    assert history.states()["smtps"] == "stopping"


def test_changed_module_is_stopped_and_started() -> None:
    """A reload plans a restart: stop first, start when it is gone."""
    history = History()
    history.all_up()
    assert history.say(history.supervisor.plan(["smtpc"], 0.0)) == ["terminate smtpc"]
    assert history.event("smtpc", EXIT) == ["spawn smtpc"]
    assert history.event("smtpc", READY) == []


EVENTS = st.lists(
    st.tuples(st.sampled_from(ORDER), st.sampled_from([READY, EXIT]), st.integers(0, 40)),
    max_size=60,
)


def replay(history: History, events: list[tuple[str, Event, int]]) -> dict[str, bool]:
    """Play events that can happen; says which processes exist according to the orders."""
    exists = dict.fromkeys(ORDER, False)

    def obey(orders: list[str]) -> None:
        for order in orders:
            action, _, name = order.partition(" ")
            if action == Action.SPAWN.value:
                assert not exists[name], "a second process of the same name"
                exists[name] = True

    obey(history.start())
    for name, event, seconds in events:
        obey(history.wait(seconds))
        if exists[name]:
            exists[name] = event is not EXIT
            obey(history.event(name, event))
    return exists


@given(EVENTS)
def test_any_history_never_starts_twice(events: list[tuple[str, Event, int]]) -> None:
    """Whatever happens, no module runs twice at a time, and the states know who exists."""
    history = History()
    exists = replay(history, events)
    for each in history.supervisor.watched:
        assert exists[each.name] == (each.state not in (State.DOWN, State.WAITING))


@given(EVENTS)
def test_any_history_ends_when_told_to(events: list[tuple[str, Event, int]]) -> None:
    """After a stop, and if everything that is signalled ends, all are down."""
    history = History()
    exists = replay(history, events)
    orders = history.stop()
    for _ in range(20):
        for order in orders:
            name = order.split()[1]
            assert not order.startswith("spawn")
            exists[name] = False
            orders = history.event(name, EXIT)
        if history.supervisor.is_down:
            break
        orders = orders or history.wait(40)
    assert history.supervisor.is_down
    assert not any(exists.values())


@given(EVENTS)
def test_any_history_ends_with_all_up(events: list[tuple[str, Event, int]]) -> None:
    """If from now on every start succeeds and every signal is obeyed, all will serve."""
    history = History()
    replay(history, events)
    for _ in range(60):
        for each in history.supervisor.watched:
            if each.state is State.STARTING:
                history.event(each.name, READY)
            elif each.state in (State.STOPPING, State.KILLING, State.FAILING):
                history.event(each.name, EXIT)
        history.wait(1)
    assert set(history.states().values()) == {"up"}


@pytest.mark.parametrize("failures", [0, 1, 40, 5000])
def test_many_failures_do_not_overflow(failures: int) -> None:
    """A module may fail for months."""
    history = History({})
    history.all_up()
    history.supervisor.find("smtpc").failures = failures
    history.event("smtpc", EXIT)
    deadline = history.supervisor.next_deadline()
    assert deadline is not None and deadline - history.now <= 8

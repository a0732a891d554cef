"""The ledger of `lab bench faults`, without a machine: what is lost, what is doubled, and how far a first copy came."""

from __future__ import annotations

import json
import random
from itertools import cycle
from pathlib import Path
from unittest.mock import create_autospec

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.bench import results
from lab.bench.faults import report
from lab.bench.faults.ground import Ground, configuration
from lab.bench.faults.ledger import Sent, Step, Told, account, explained
from lab.bench.faults.load import message
from lab.bench.faults.programs.destination import Ledger
from lab.bench.faults.report import facts, tables
from lab.bench.faults.series import Series
from lab.bench.faults.strikes import ACTIONS, FAULTS, misbehave

ID = "S0006B0759F3000F700"
HANDED = f"Nov 25 mail smtpc[7]: {ID} handed_over delivery=C000000000100000000 host=lmtp recipients=1 code=250"
BROKEN = HANDED.replace("code=250", "code=421")
NOTED = (
    f"Nov 25 mail qmgr[8]: {ID} attempted to=alice@lab.example outcome=DELIVERED host=lmtp code=250"
)


def sent(*tokens: str, told: Told = Told.TAKEN) -> list[Sent]:
    """Messages with these tokens, all told the same."""
    return [Sent(token, told, 0.0, 1.0, ID) for token in tokens]


def test_what_was_taken_and_is_nowhere_is_lost() -> None:
    """A 250 without a copy and without a report is a lost message, and no other is."""
    told = [
        *sent("a", "b", "c"),
        *sent("d", told=Told.REFUSED),
        *sent("e", told=Told.NOTHING),
    ]
    found = account(told, ["a", "e"], returned=["c"])
    assert (found.lost, found.returned, found.unasked) == (["b"], ["c"], ["e"])
    assert not found.clean
    assert account(told, ["a", "b"], returned=["c"]).clean


def test_copies_beyond_the_first_are_duplicates() -> None:
    """Three copies are two duplicates; a report beside a copy is none."""
    found = account(sent("a", "b"), ["a", "a", "a", "b"], returned=["b"])
    assert (found.doubled, found.duplicates, found.returned) == ({"a": 2}, 2, [])
    assert found.clean


def test_what_nobody_sent_or_what_was_changed_is_told() -> None:
    """Neither a message out of nowhere nor a changed one passes."""
    assert account(sent("a"), ["a", "x"]).foreign == ["x"]
    assert not account(sent("a"), ["a", "x"]).clean
    assert not account(sent("a"), ["a"], damaged=["a"]).clean


@given(
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from(list(Told))), unique_by=lambda x: x[0]),
    st.lists(st.integers(0, 9)),
)
def test_every_message_is_accounted_for(told: list[tuple[int, Told]], arrived: list[int]) -> None:
    """Whatever happens: copies = first copies + duplicates, and taken = arrived among them + lost."""
    known = [Sent(str(number), word, 0, 0) for number, word in told]
    found = account(known, map(str, arrived))
    assert len(arrived) == len(set(arrived)) + found.duplicates
    assert found.taken - len(found.lost) + len(found.unasked) == found.arrived
    assert found.arrived + len(found.foreign) == len(set(arrived))


@pytest.mark.parametrize(
    ("log", "step"),
    [
        ([], Step.UNKNOWN),
        ([HANDED, NOTED], Step.UNANSWERED),
        ([BROKEN, HANDED, NOTED], Step.UNANSWERED),
        ([HANDED, HANDED, NOTED], Step.UNREPORTED),
        ([HANDED, NOTED, HANDED, NOTED], Step.UNRECORDED),
    ],
)
def test_the_log_says_how_far_the_first_copy_came(log: list[str], step: Step) -> None:
    """An answer that smtpc has not, or qmgr has not, or the disk has not."""
    assert explained({"a": 1}, {"a": ID}, log) == {step: 1}


def test_each_duplicate_is_explained_once() -> None:
    """Of four copies of which smtpc has noted three, and qmgr one, one got no answer and two no note."""
    assert explained({"a": 3}, {"a": ID}, [HANDED, HANDED, HANDED, NOTED]) == {
        Step.UNANSWERED: 1,
        Step.UNREPORTED: 2,
    }


def test_a_seed_repeats_a_message() -> None:
    """The same seed makes the same bytes, another one does not."""
    one, same, other = (message("t", "a@b", random.Random(seed)) for seed in (1, 1, 2))
    assert one == same != other


def test_our_own_destination_notices_a_changed_body(tmp_path: Path) -> None:
    """A line says whose message it is and whether it is whole; it is there before the answer."""
    path = tmp_path / "taken"
    ledger = Ledger(path)
    whole = message("token-1", "a@b", random.Random(1))
    ledger.note("lmtp", whole)
    ledger.note("lmtp", whole[:-4] + b"!\r\n\r\n")
    first, second = path.read_text().splitlines()
    assert '"token-1", "whole"' in first
    assert '"token-1", "damaged"' in second


def test_the_configuration_is_the_tutorials() -> None:
    """Each change finds its place, and the socket is the one that was asked for."""
    text = configuration("/run/x")
    assert "LMTP_socket = /run/x;" in text
    assert "%LMTP%" not in text


def test_each_fault_has_a_name_of_its_own() -> None:
    """A record belongs to one fault."""
    assert len({each.name for each in FAULTS}) == len(FAULTS)


def test_a_destination_misbehaves_in_all_ways_in_turn() -> None:
    """As many strikes as there are ways try each of them once, whatever the seed."""
    ground, turns = create_autospec(Ground, instance=True), cycle(ACTIONS)
    for number in range(len(ACTIONS)):
        with misbehave("rcpt", ground, random.Random(number), turns):
            pass
    told = [json.loads(call.args[1]) for call in ground.tell.call_args_list]
    assert sorted(mode["action"] for mode in told if mode) == sorted(ACTIONS)


def test_a_series_is_kept_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was found can be read again, and made into tables."""
    monkeypatch.setattr(report, "state_dir", lambda: tmp_path)
    found = account(sent("a", "b"), ["a", "a"])
    steps = {Step.UNREPORTED: 1}
    path = report.keep(
        Series("stop", "stop", "x", "vagrant", 7, 2, [1.0, 3.0], found, steps, 2, 0.5)
    )
    assert json.loads(path.read_text())["account"]["lost"] == ["b"]
    (record,) = report.kept()
    assert {name: record[name] for name in report.COUNTS} == {
        "taken": 2, "lost": 1, "damaged": 0, "returned": 0, "duplicates": 1, "unasked": 0
    }  # fmt: skip
    assert tables([record])["duplicates"].rows == [(str(Step.UNREPORTED), 1)]


ONE: report.Record = {
    "fault": "kill qmgr", "group": "kill", "machine": "container", "times": 3, "seed": 7, "commit": "c",
    "at": "2026-11-25 10:00:00", "seconds": [1.0, 2.0, 6.0], "steps": {str(Step.UNREPORTED): 2},
    "taken": 50, "lost": 0, "damaged": 0, "returned": 1, "duplicates": 2, "unasked": 0,
}  # fmt: skip
TWO: report.Record = {
    **ONE, "at": "2026-11-26 10:00:00", "times": 1, "seconds": [3.0], "lost": 1
}  # fmt: skip


def test_tables_are_sums_of_series() -> None:
    """Two series of one fault are one row, and no figure of theirs is left out."""
    made = tables([ONE, TWO])
    assert made["lost"].rows == [["kill qmgr", "container", 4, 100, 1, 2, 4, 0]]
    assert made["again"].rows == [
        ["kill qmgr", "container", "2026-11-25", 3, 2.0, 6.0],
        ["kill qmgr", "container", "2026-11-26", 1, 3.0, 3.0],
    ]
    assert made["duplicates"].rows == [(str(Step.UNREPORTED), 4)]
    assert [row[2:6] for row in made["seeds"].rows] == [
        ["2026-11-25", 3, 50, 0],
        ["2026-11-26", 1, 50, 1],
    ]
    assert facts([ONE, TWO]) | {"kills": 4, "lost": 1, "duplicates": 4} == facts([ONE, TWO])


def test_a_store_adds_to_what_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each series counts once, however often it is stored, and none is forgotten."""
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    report.store([ONE])
    for _ in range(2):
        report.store([TWO])
        found = results.load(report.NAME)
        assert (found.facts["kills"], found.facts["taken"]) == (4, 100)
        assert [each["at"][:10] for each in found.series] == ["2026-11-25", "2026-11-26"]


def test_the_stored_totals_are_those_of_the_stored_series() -> None:
    """Who adds up the series of the book comes to the figures of the book."""
    found = results.load(report.NAME)
    assert facts(found.series) == found.facts
    assert sum(each["times"] for each in found.series if each["group"] == "kill") >= 1000

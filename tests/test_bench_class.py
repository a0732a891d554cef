"""Figures of classes at work: what is made of the records, and whose group a machine's process is in."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest

from lab.bench.classroom import figures
from lab.bench.classroom.run import Record, from_dict
from lab.bench.classroom.watch import Peak, group_of
from lab.classroom.cgroup import Use

ONE = Record(1, 5, 0.2, 8, 120, 120, 120, 6, 16, (), 210, 120, 260, 600, 60, 50, 2, 30, "abc")
MANY = replace(ONE, trainees=20, tutorial=1200, servers=70, green=320, whole_memory=7000)


def test_a_class_is_put_beside_one_trainee() -> None:
    """By the time of one, and by that of as many one after the other; whatever the order of the runs."""
    rows = figures.tables([MANY, ONE])["times"].rows
    assert [row[0] for row in rows] == [1, 20]
    assert rows[1][4:6] == [10.0, 0.5]
    assert rows[1][-1] == "abc"
    assert figures.charts([MANY, ONE])["times"].series["one after the other"] == [2.0, 40.0]
    assert figures.facts([MANY, ONE])["against_one"] == 10.0


def test_the_last_run_of_a_size_counts() -> None:
    """And one that failed makes the whole not green."""
    failed = replace(ONE, failed=("trainee01, check 3: no",))
    assert figures.facts([failed, ONE])["all_green"] == "yes"
    assert figures.facts([ONE, failed])["all_green"] == "no"


def test_without_one_trainee_nothing_is_compared() -> None:
    """A dash instead of a number that nobody measured."""
    assert figures.tables([MANY])["times"].rows[0][4] is None
    assert list(figures.charts([MANY])["times"].series) == ["all at the same time"]


def test_a_record_is_read_as_it_was_written() -> None:
    """With what failed."""
    record = replace(ONE, failed=("x",))
    assert from_dict(json.loads(json.dumps(asdict(record)))) == record


def test_seconds_of_a_machine_that_starts_anew_add_up() -> None:
    """Each start has a group that counts from nothing; memory is the most of any."""
    peak = Peak()
    for group, memory, cpu in (("a", 100, 5), ("a", 80, 9), ("b", 60, 2)):
        peak.add(group, Use(memory, memory, cpu, 1))
    assert (peak.memory, peak.seconds) == (100, 11)


def test_the_group_of_a_container_is_found_in_both_versions() -> None:
    """Not what systemd makes inside it, and none before the container has begun."""
    one = ["5:cpu:/libpod_parent/libpod-12ab", "4:memory:/libpod_parent/libpod-12ab/init.scope"]
    assert group_of(one, 1) == "libpod_parent/libpod-12ab"
    two = ["0::/machine.slice/libpod-12ab.scope/container/init.scope"]
    assert group_of(two, 2) == "machine.slice/libpod-12ab.scope"
    with pytest.raises(ValueError, match="in no container"):
        group_of(["4:memory:/lab-class-1a2b3c/services"], 1)

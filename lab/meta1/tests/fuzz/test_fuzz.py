"""The short form of every target, and that each of them can find something."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuzz.mutants import MUTANTS, Mutant, hunt
from fuzz.run import run
from fuzz.source import FromBytes, Seeded, Source
from fuzz.table import TARGETS

pytestmark = pytest.mark.whole


@pytest.mark.parametrize("name", list(TARGETS))
def test_nothing_is_found(name: str) -> None:
    """The short form of a target finds nothing, and memory does not grow."""
    target = TARGETS[name]
    report = run(target, target.short, seed=1, processes=2)
    assert report.findings == [] and report.runs == target.short
    assert report.growth < 64 << 20


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda one: f"{one.target}: {one.name}")
def test_a_mistake_is_found(mutant: Mutant, tmp_path: Path) -> None:
    """The short form of the target notices MeTA1 with this mistake."""
    assert hunt(mutant, tmp_path), f"{mutant.target} does not notice: {mutant.name}"


def test_every_target_has_a_mistake_to_find() -> None:
    """A target that was never seen to find anything proves nothing."""
    assert {mutant.target for mutant in MUTANTS} == TARGETS.keys()


def test_a_seed_and_a_number_repeat_a_run() -> None:
    """The same decisions, from a seed or from bytes; behind the bytes there are only zeros."""
    one, two = Source(Seeded(3, 4)), Source(Seeded(3, 4))
    assert [one.below(1000) for _ in range(50)] == [two.below(1000) for _ in range(50)]
    given = Source(FromBytes(b"\x05\x01\x00"))
    assert [given.below(10), given.below(1000), given.below(7)] == [5, 256, 0]

"""Security: every proof of lab.bench.security holds, and fails on a MeTA1 with its defence switched off.

The short form: scans leave out what takes long, and one change for each proof, many in one build. `lab bench security`
makes each change alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.bench.security import PROOFS, Proof, Refuted, Target
from lab.bench.security.run import Break, changes_of, run, together
from lab.host import Host

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]  # the first test has the machine made


@pytest.fixture(scope="module")
def target(installed: Host) -> Iterator[Target]:
    """The machine as the proofs want it; afterwards it is as it was."""
    made = Target(installed)
    made.arrange()
    yield made
    made.leave()


@pytest.mark.parametrize("proof", PROOFS, ids=lambda proof: proof.name)
def test_proof_holds(target: Target, proof: Proof) -> None:
    """No case of the attack gets through."""
    assert run(target, proof) > 0


@pytest.mark.parametrize("group", together(), ids=lambda group: f"{len(group)} defences off")
def test_proofs_can_fail(target: Target, group: list[Break]) -> None:
    """With their defences off, all of these are refuted."""
    target.stand(changes_of(group))
    held = []
    for each in group:
        target.begin()
        try:
            each.proof.run(target)
            held.append(f"{each.proof.name}, though {each.way}")
        except Refuted as error:
            print(f"{each.proof.name}: {str(error)[:200]}")
    assert held == []

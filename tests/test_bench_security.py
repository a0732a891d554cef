"""The table of security proofs: whole, and in step with MeTA1's code, whose defences it switches off by their text."""

from __future__ import annotations

import pytest

from lab.bench.edits import INSTALLED, Edit
from lab.bench.security import PROOFS
from lab.bench.security.injecting import LINE
from lab.bench.security.run import breaks, changes_of, together
from lab.bench.security.target import SETTINGS, STAGE
from lab.config import ROOT
from lab.show import real_file

SOURCE = ROOT / "lab" / "meta1" / "src" / "meta1"
EDITS = {
    change: None
    for each in [list(STAGE), *(each.changes for each in breaks())]
    for change in (each if isinstance(each, list) else list(each))
    if isinstance(change, Edit) and change.path.startswith(INSTALLED)
}


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: f"{edit.file}: {edit.before[:40]}")
def test_the_code_has_what_is_switched_off(edit: Edit) -> None:
    """Each text that is changed stands in MeTA1's source once; a moved defence is noticed here, in a second."""
    assert (SOURCE / edit.file).read_text().count(edit.before) == 1
    assert edit.after != edit.before


def test_the_configuration_has_what_is_set() -> None:
    """The book's meta1.conf has each setting that the proofs change, once."""
    text = real_file("etc/meta1/meta1.conf").read_text()
    assert {before: text.count(before) for before, _ in SETTINGS} == {b: 1 for b, _ in SETTINGS}


def test_every_proof_can_fail() -> None:
    """Each has a name of its own, a reference, and at least one way to switch its defence off."""
    assert len({proof.name for proof in PROOFS}) == len(PROOFS)
    assert [
        proof.name for proof in PROOFS if not (proof.breaks and proof.reference and proof.tool)
    ] == []


def test_builds_share_no_place() -> None:
    """The short form has every proof in a build once, and no build changes a place in two ways."""
    groups = together()
    assert sorted(each.proof.name for group in groups for each in group) == sorted(
        p.name for p in PROOFS
    )
    for group in groups:
        places = [(edit.path, edit.before) for edit in changes_of(group) if isinstance(edit, Edit)]
        assert len(places) == len(set(places))


@pytest.mark.parametrize(
    "line",
    [
        "S0001 opened client=127.0.0.9",
        r'S0001 refused argument="FROM:<\x22a b\x22@c>" stage=MAIL',
        "ready",
    ],
)
def test_log_lines_are_known(line: str) -> None:
    """A line of the log as MeTA1 writes it is taken for one."""
    assert LINE.fullmatch(f"2026-11-25T22:03:21.917098+00:00 mail smtps[2489]: {line}")


@pytest.mark.parametrize("text", ["x\x1b[31m", 'a="b" c" d=1', "caf\xe9"])
def test_forged_log_lines_are_not(text: str) -> None:
    """Control characters, 8-bit letters and quotes that do not match are no line of ours."""
    assert not LINE.fullmatch(
        f"2026-11-25T22:03:21.917098+00:00 mail smtps[2489]: S0001 refused {text}"
    )

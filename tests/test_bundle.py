"""The bundle's own steps: parts are made once, made again when something of theirs changed, and whole or not there."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lab.bundle import make
from lab.bundle.parts import PARTS, Part
from lab.errors import LabError


class Baker:
    """A part whose makings are counted."""

    def __init__(self, name: str) -> None:
        self.key = "1"
        self.made = 0
        self.fails = False
        self.part = Part(name, "bread", lambda: self.key, self._make)

    def _make(self, folder: Path, _: object) -> None:
        self.made += 1
        (folder / "half").write_text("half")
        if self.fails:
            raise LabError("the oven is cold", "heat it")
        (folder / "loaf").write_text(f"{self.key} {self.made}")


@pytest.fixture
def bread() -> Baker:
    return Baker("bread")


@pytest.fixture
def rolls() -> Baker:
    return Baker("rolls")


def bundle(folder: Path, *bakers: Baker, without: tuple[str, ...] = ()) -> dict[str, bool]:
    """Make it of those parts; tells which were kept."""
    kept: dict[str, bool] = {}

    def told(made: make.Made) -> None:
        kept[made.part.name] = made.kept

    parts = [baker.part for baker in bakers]
    make.make(folder, lambda _: None, without, parts, told)
    return kept


def test_what_is_right_is_kept(tmp_path: Path, bread: Baker, rolls: Baker) -> None:
    """A second run makes nothing; a changed key, or a file that is gone, that part alone."""
    assert bundle(tmp_path, bread, rolls) == {"bread": False, "rolls": False}
    assert bundle(tmp_path, bread, rolls) == {"bread": True, "rolls": True}
    bread.key = "2"
    assert bundle(tmp_path, bread, rolls) == {"bread": False, "rolls": True}
    (tmp_path / "rolls" / "loaf").unlink()
    assert bundle(tmp_path, bread, rolls) == {"bread": True, "rolls": False}
    assert (bread.made, rolls.made) == (2, 2)


def test_goes_on_where_it_was_interrupted(tmp_path: Path, bread: Baker, rolls: Baker) -> None:
    """A part that fails leaves those before it; the bundle has no checksums until all are there."""
    rolls.fails = True
    with pytest.raises(LabError, match="oven"):
        bundle(tmp_path, bread, rolls)
    assert not (tmp_path / make.SUMS).exists()
    assert not (tmp_path / "rolls").exists()
    rolls.fails = False
    assert bundle(tmp_path, bread, rolls) == {"bread": True, "rolls": False}
    assert not (tmp_path / "rolls.part").exists()


def test_checksums_tell_of_every_file(tmp_path: Path, bread: Baker) -> None:
    """sha256sum accepts the bundle as made, and refuses it when a byte of a file or a file is not as it was."""

    def check() -> int:
        words = ["sha256sum", "--check", "--quiet", make.SUMS]
        return subprocess.run(words, cwd=tmp_path, capture_output=True, check=False).returncode

    bundle(tmp_path, bread)
    assert check() == 0
    listed = {line.split("  ", 1)[1] for line in (tmp_path / make.SUMS).read_text().splitlines()}
    there = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()}
    assert listed == there - {make.SUMS}
    (tmp_path / "bread" / "loaf").write_text("1 2")
    assert check() != 0
    (tmp_path / "bread" / "loaf").unlink()
    assert check() != 0


def test_a_part_can_be_left_out(tmp_path: Path, bread: Baker, rolls: Baker) -> None:
    """Then it is not there, nor what an earlier run left of it."""
    bundle(tmp_path, bread, rolls)
    assert bundle(tmp_path, bread, rolls, without=("rolls",)) == {"bread": True}
    assert not (tmp_path / "rolls").exists()
    assert "rolls" not in (tmp_path / make.SUMS).read_text()


def test_no_room_says_what_to_do(tmp_path: Path) -> None:
    """A full stick is an error with a next step, not a traceback."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    part = Part("bread", "bread", lambda: "1", full)
    with pytest.raises(LabError, match="No space left") as caught:
        make.make(tmp_path, lambda _: None, parts=[part])
    assert str(tmp_path) in caught.value.next_step


def test_installer_speaks_of_the_parts_that_there_are() -> None:
    """INSTALL.txt explains each part's folder."""
    text = (make.SHIPPED / "INSTALL.txt").read_text()
    for part in PARTS:
        assert f"    {part.name}/ " in text

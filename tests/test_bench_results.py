"""Figures are stored with where and when they were measured, and come back as they were; charts say what they show."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.bench import results
from lab.bench.results import FOLDER, Table, load, store
from lab.errors import LabError
from lab.pictures.chart import Chart, drawn, words

TABLE = Table("Messages a second", ["sessions", "MeTA1"], [["1", 800], ["50", None]])
BARS = Chart(
    "Speed",
    "sessions",
    "messages a second",
    ["1", "50"],
    {"MeTA1": [800, 3000], "other": [600, None]},
)


def test_stored_figures_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables, charts and facts are as they were; machine, date and command stand beside them."""
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    path = store(
        "trial",
        "lab bench trial",
        tables={"speed": TABLE},
        charts={"speed": BARS},
        facts={"lost": 0},
    )
    assert path == tmp_path / "trial.json"
    found = load("trial")
    assert (found.tables["speed"], found.charts["speed"], found.facts) == (TABLE, BARS, {"lost": 0})
    assert found.command == "lab bench trial"
    assert "processors" in found.machine
    assert len(found.date) == len("2026-11-25")


@pytest.mark.parametrize("text", ["", "{}", '{"tables": {}, "charts": {}, "colour": 1}', "[1]"])
def test_figures_that_cannot_be_read_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """A file of another form is an error that names it."""
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    (tmp_path / "trial.json").write_text(text)
    with pytest.raises(LabError, match="no figures named trial"):
        load("trial")


def test_all_that_is_stored_can_be_read() -> None:
    """What lies in the tree is of today's form, each chart can be drawn, each row is as long as its head."""
    for path in FOLDER.glob("*.json"):
        found = load(path.stem)
        assert found.name == path.stem
        for table in found.tables.values():
            assert {len(row) for row in table.rows} <= {len(table.columns)}
        for chart in found.charts.values():
            drawn(chart)


@pytest.mark.parametrize("kind", ["bars", "lines"])
def test_a_chart_says_what_it_shows(kind: str) -> None:
    """Its words have each value; what is missing is not drawn; it is the same each time."""
    chart = Chart(BARS.caption, BARS.x, BARS.y, BARS.ticks, BARS.series, kind)  # type: ignore[arg-type]
    picture = drawn(chart)
    assert 'role="img"' in picture
    assert "MeTA1: 1 800, 50 3000; other: 1 600" in words(chart)
    assert 'id="figure' not in picture
    assert picture == drawn(chart)

"""Fixtures of the drift check's tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab.drift import canonical, execute
from lab.drift.page import as_node

from .books import CLOCK, Book, Cell


@pytest.fixture
def book(tmp_path: Path) -> Book:
    """Write a notebook of these cells, named c1, c2 and so on, in its canonical form."""

    def make(name: str, *cells: Cell, **drift: Any) -> Path:
        named = [{"id": f"c{number}", **cell} for number, cell in enumerate(cells, 1)]
        metadata = {"drift": drift} if drift else {}
        page = {"cells": named, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
        path = tmp_path / f"{name}.ipynb"
        canonical.write(path, as_node(page))
        return path

    return make


@pytest.fixture
def clock(tmp_path: Path) -> Path:
    """A rules file with one rule."""
    path = tmp_path / "rules.yml"
    path.write_text(CLOCK)
    return path


@pytest.fixture
def cold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels load nothing ahead, which takes the tests half the time."""
    monkeypatch.setattr(execute, "WARM_UP", "pass")

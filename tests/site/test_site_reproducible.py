"""The same commit gives the same bytes, wherever and whenever the site is built."""

from __future__ import annotations

from pathlib import Path

from twin import differences


def test_two_builds_are_equal(site: Path, twin_site: Path) -> None:
    """Folder, date, time zone, locale, umask, time stamps and hash seed are in no file."""
    assert differences(site, twin_site) == []


def test_a_difference_is_found(tmp_path: Path) -> None:
    """One byte, or a file that only one of them has."""
    for name, text in (("one", "a"), ("other", "b")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "page.html").write_text(text)
        (tmp_path / name / "same.html").write_text("same")
    (tmp_path / "other" / "more.html").write_text("")
    assert differences(tmp_path / "one", tmp_path / "other") == ["more.html", "page.html"]

"""The plot of a load is a picture with words, the same bytes for the same figures."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from lab.pictures.plot import Load, load_picture

LOADS = [Load(1, 40.0, 0.02, 0.03), Load(10, 120.0, 0.08, 0.1), Load(50, 118.0, 0.4, 0.62)]


def test_figures_of_a_measurement() -> None:
    """Rate, middle and slowest come from the seconds of each message."""
    took = [0.1] * 18 + [0.2, 0.9]
    load = Load.measured(10, 4.0, took)
    assert (load.sessions, load.rate, load.middle) == (10, 5.0, 0.1)
    assert 0.2 < load.slowest <= 0.9


def test_picture_says_what_it_shows() -> None:
    """Who cannot see it reads the figures; text stays text, so that it can be searched."""
    picture = ElementTree.fromstring(load_picture(LOADS))
    assert picture.get("role") == "img"
    assert "10 sessions: 120 messages a second, half of them within 80 ms" in str(
        picture.get("aria-label")
    )
    text = "".join(picture.itertext())
    assert "messages a second" in text and "milliseconds a message" in text and "50" in text


def test_picture_is_the_same_again() -> None:
    """No date and no random name in it."""
    assert load_picture(LOADS) == load_picture(LOADS)


@pytest.mark.parametrize("unwanted", ["<?xml", "dc:date", 'fill: #ffffff"', "white"])
def test_picture_fits_light_and_dark(unwanted: str) -> None:
    """Nothing before the picture, no date, no background of its own."""
    assert unwanted not in load_picture(LOADS)

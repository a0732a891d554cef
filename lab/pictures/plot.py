"""A plot of what a mail server did under load: how many messages a second, how long each took."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any, Self

from lab.pictures import svg

GREY = "#767676"  # reads on white and on black: the book has both
BLUE, ORANGE = "#4a86c5", "#d08020"
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "load",
    "font.family": "sans-serif",
    "axes.edgecolor": GREY,
    "axes.labelcolor": GREY,
    "text.color": GREY,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


@dataclass(frozen=True, slots=True)
class Load:
    """What was measured with a number of sessions at once."""

    sessions: int
    rate: float
    """Messages a second."""
    middle: float
    """Seconds that half of the messages took at most."""
    slowest: float
    """Seconds that nineteen of twenty took at most."""

    @classmethod
    def measured(cls, sessions: int, seconds: float, took: Sequence[float]) -> Self:
        """Make the figures from the seconds of each message; at least two are needed."""
        return cls(sessions, len(took) / seconds, median(took), quantiles(took, n=20)[-1])


def load_picture(loads: Sequence[Load]) -> str:
    """Draw messages a second and the time of a message for each number of sessions, as SVG."""
    import matplotlib  # only here: it takes a second, and most pictures do without
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 2.8), layout="constrained")
        speed, wait = figure.subplots(1, 2)
        places = range(len(loads))
        speed.bar(places, [each.rate for each in loads], 0.6, color=BLUE)
        speed.set(title="messages a second", ylim=(0, None))
        left, right = [place - 0.2 for place in places], [place + 0.2 for place in places]
        wait.bar(left, [each.middle * 1000 for each in loads], 0.4, color=BLUE, label="half within")
        wait.bar(
            right,
            [each.slowest * 1000 for each in loads],
            0.4,
            color=ORANGE,
            label="19 of 20 within",
        )
        wait.set(title="milliseconds a message", ylim=(0, None))
        wait.legend(frameon=False)
        for axes in (speed, wait):
            axes.set(xlabel="sessions at once")
            axes.set_xticks(list(places), [str(each.sessions) for each in loads])
        drawn = io.StringIO()
        figure.savefig(drawn, format="svg", transparent=True, metadata={"Date": None})
    return svg.described(drawn.getvalue(), _words(loads))


def _words(loads: Sequence[Load]) -> str:
    """What the picture shows."""
    return "; ".join(
        f"{each.sessions} sessions: {each.rate:.0f} messages a second, "
        f"half of them within {each.middle * 1000:.0f} ms"
        for each in loads
    )

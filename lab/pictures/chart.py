"""Charts of stored figures: bars or lines for each series, as SVG for light and dark pages alike."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from lab.pictures import svg
from lab.pictures.plot import BLUE, GREY, ORANGE, STYLE

COLOURS = (BLUE, ORANGE, "#4f9d69", "#a06bc1", GREY)
"""One for each series; all read on white and on black."""
HATCHES = ("", "//", "\\\\", "x", "-")
MARKERS = "osD^v"
"""Colour alone never tells two series apart."""


@dataclass(frozen=True, slots=True)
class Chart:
    """Series over the same places; a value that is missing is not drawn."""

    caption: str
    x: str
    y: str
    ticks: Sequence[str]
    series: Mapping[str, Sequence[float | None]]
    kind: Literal["bars", "lines"] = "bars"
    logarithmic: bool = False


def words(chart: Chart) -> str:
    """Say what it shows, for those who do not see it."""
    said = []
    for name, values in chart.series.items():
        known = zip(chart.ticks, values, strict=True)
        said.append(
            f"{name}: " + ", ".join(f"{tick} {up:g}" for tick, up in known if up is not None)
        )
    return f"{chart.caption}. {chart.y} by {chart.x}. " + "; ".join(said)


def drawn(chart: Chart) -> str:
    """Draw it."""
    import matplotlib  # only here: it takes a second, and most pictures do without
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 3.1), layout="constrained")
        axes = figure.subplots()
        width = 0.8 / len(chart.series)
        for place, (name, values) in enumerate(chart.series.items()):
            known = [(at, value) for at, value in enumerate(values) if value is not None]
            across, up = [at for at, _ in known], [value for _, value in known]
            look: dict[str, Any] = {"color": COLOURS[place % len(COLOURS)], "label": name}
            if chart.kind == "bars":
                left = [at + width * (place - (len(chart.series) - 1) / 2) for at in across]
                hatch = HATCHES[place % len(HATCHES)]
                axes.bar(left, up, width * 0.92, hatch=hatch, edgecolor="#ffffff66", **look)
            else:
                marker = MARKERS[place % len(MARKERS)]
                axes.plot(across, up, marker=marker, linewidth=1.8, **look)
        axes.set_xticks(range(len(chart.ticks)), list(chart.ticks))
        axes.set(xlabel=chart.x, ylabel=chart.y)
        if chart.logarithmic:
            axes.set_yscale("log")
        else:
            axes.set_ylim(0, None)
        if len(chart.series) > 1:  # beside the axes, where it hides nothing
            figure.legend(loc="outside upper left", ncols=2, frameon=False)
        said = io.StringIO()
        figure.savefig(said, format="svg", transparent=True, metadata={"Date": None})
    # Groups are named alike in every picture, and a page may have several.
    return svg.described(re.sub(r'<g id="[^"]*"', "<g", said.getvalue()), words(chart))

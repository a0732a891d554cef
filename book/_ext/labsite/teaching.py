"""What an instructor plans with: the day of a class, and room for classes of any size; computed as the site is built.

```{class-day}
09:30 1 2 3            when, and the chapters from then on
10:45 -                a break
```
```{class-room} class 30 100 1000
                       what so many trainees need, from the measured figures of that name
```
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from lab.bench.results import Cell, load, path_of
from lab.drift import history
from lab.errors import LabError
from labsite.chapter import duration
from labsite.figures import shown
from labsite.runs import paragraph, table


@dataclass(frozen=True, slots=True)
class Node:
    """A node of a cluster, or a host: what of it is left for trainees."""

    memory_gib: int = 64
    cpus: int = 16
    kept_gib: int = 4
    """Of its memory, for Kubernetes and the system."""
    pods: int = 110
    """The most that a kubelet takes, unless told otherwise."""


NODE = Node()
SPARE = 1.25
"""Memory is planned with a quarter more than was measured: a trainee may open two notebooks."""
HOURS = 6.0
"""A day of a class at work."""
PEAK = 3.0
"""How many times the average of the day are at work at the same moment: everybody builds MeTA1 after the break."""


@dataclass(frozen=True, slots=True)
class Room:
    """What a class of `trainees` needs together."""

    trainees: int
    memory_gib: float
    disk_gib: float
    cpus: float
    nodes: int


def room(trainees: int, facts: Mapping[str, Cell], node: Node = NODE) -> Room:
    """The need of a class, from what one trainee was measured to use.

    `facts` has trainee_mib (JupyterLab and machine at their largest), trainee_disk_mib, trainee_cpu_s (for the
    whole tutorial) and services_mib. Raises `LabError` if one of them was not measured.
    """
    memory, disk, seconds, services = (
        _number(facts, name)
        for name in ("trainee_mib", "trainee_disk_mib", "trainee_cpu_s", "services_mib")
    )
    gib = (trainees * memory * SPARE + services) / 1024
    cpus = trainees * seconds / (HOURS * 3600) * PEAK
    each = min(
        math.floor((node.memory_gib - node.kept_gib) * 1024 / (memory * SPARE)),
        node.pods - 10,
    )
    most_cpus = math.ceil(cpus / node.cpus)
    return Room(
        trainees, gib, trainees * disk / 1024, cpus, max(math.ceil(trainees / each), most_cpus)
    )


def _number(facts: Mapping[str, Cell], name: str) -> float:
    found = facts.get(name)
    if not isinstance(found, int | float):
        raise LabError(f"{name} was not measured", "lab bench class --store")
    return float(found)


class ClassRoom(SphinxDirective):
    """A table of what classes need."""

    required_arguments = 1
    final_argument_whitespace = True
    has_content: ClassVar[bool] = False

    def run(self) -> list[nodes.Node]:
        """Compute it from the stored figures; the page is written again when they are measured anew."""
        name, *sizes = self.arguments[0].split()
        self.env.note_dependency(str(path_of(name)))
        try:
            facts = load(name).facts
            rooms = [room(int(size), facts) for size in sizes]
        except (LabError, ValueError) as error:
            raise self.error(f"room from {name}: {error}") from error
        head = ["trainees", "memory", "disk", "processors", f"nodes of {NODE.memory_gib} GiB"]
        rows = [
            [
                paragraph(shown(each.trainees)),
                paragraph(f"{shown(each.memory_gib)} GiB"),
                paragraph(f"{shown(each.disk_gib)} GiB"),
                paragraph(shown(each.cpus)),
                paragraph(shown(each.nodes)),
            ]
            for each in rooms
        ]
        return [table(head, rows, "class-room")]


class ClassDay(SphinxDirective):
    """The plan of a day: chapters by their titles, and how long the machine alone needs for them."""

    has_content: ClassVar[bool] = True

    def run(self) -> list[nodes.Node]:
        """Make it from the lines of the directive and the last recorded runs."""
        self.env.note_dependency(str(history.PATH))
        runs = history.load()
        names = {int(name[:2]): name for run in runs for name in run.chapters}
        rows = []
        for line in self.content:
            when, *numbers = line.split()
            if numbers == ["-"]:
                rows.append([paragraph(when), paragraph("break"), paragraph("")])
                continue
            try:
                chapters = [names[int(number)] for number in numbers]
            except (KeyError, ValueError) as error:
                raise self.error(f"{line!r}: no chapter {error}") from error
            seconds = sum(_seconds(name, runs) for name in chapters)
            rows.append([paragraph(when), self._links(chapters), paragraph(duration(seconds))])
        return [table(["from", "chapters", "the machine alone"], rows, "class-day")]

    def _links(self, chapters: Sequence[str]) -> nodes.Node:
        items = nodes.bullet_list("", classes=["chapters"])
        for name in chapters:
            where = {"refdomain": "std", "reftype": "doc", "reftarget": f"/notebooks/{name}"}
            known = {"refdoc": self.env.docname, "refexplicit": False, "refwarn": True}
            link = addnodes.pending_xref("", nodes.inline("", name), **where, **known)
            items += nodes.list_item("", paragraph(link))
        return items


def _seconds(name: str, runs: Sequence[history.Run]) -> float:
    run = history.last_of(name, runs, "container") or history.last_of(name, runs)
    return run.chapters[name].seconds if run else 0.0


def setup(app: Sphinx) -> None:
    """Make both known."""
    app.add_directive("class-day", ClassDay)
    app.add_directive("class-room", ClassRoom)

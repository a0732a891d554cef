"""The arithmetic of what a class needs."""

from __future__ import annotations

import pytest
from labsite.teaching import Node, room

from lab.errors import LabError

MEASURED = {"trainee_mib": 512, "trainee_disk_mib": 256, "trainee_cpu_s": 144, "services_mib": 384}
NODE = Node(memory_gib=64, cpus=16, kept_gib=4, pods=110)


def test_need_of_a_class_is_that_of_its_trainees_and_its_programs() -> None:
    """30 x 512 MiB and a quarter, the programs once; 256 MiB of disk each; 144 s in six hours, three times."""
    found = room(30, MEASURED, NODE)
    assert found.memory_gib == pytest.approx(30 * 0.5 * 1.25 + 0.375)
    assert found.disk_gib == pytest.approx(7.5)
    assert found.cpus == pytest.approx(30 * 144 / 21600 * 3)
    assert found.nodes == 1


@pytest.mark.parametrize(
    ("changed", "nodes", "why"),
    [
        ({}, 11, "memory: 96 a node"),
        ({"trainee_mib": 100}, 10, "pods: 100 a node, however small they are"),
        ({"trainee_cpu_s": 1440}, 13, "processors: 200 of them, 16 a node"),
    ],
)
def test_scarcest_of_a_node_decides(changed: dict[str, int], nodes: int, why: str) -> None:
    """Memory, pods or processors: whichever asks for most nodes for a thousand."""
    assert room(1000, {**MEASURED, **changed}, NODE).nodes == nodes, why


def test_what_was_not_measured_is_not_made_up() -> None:
    """A figure that is missing, or a dash, stops the page."""
    with pytest.raises(LabError, match="trainee_cpu_s was not measured"):
        room(30, {**MEASURED, "trainee_cpu_s": None}, NODE)

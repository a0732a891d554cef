"""Control groups of both versions, as far as files tell; their effect is shown in a real class."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.classroom.cgroup import Group, Use, hierarchies, limits, measured
from lab.classroom.settings import Share
from lab.errors import LabError

SHARE = Share(memory=512, cpus=1.5, pids=300, disk=100)
ONE = """\
tmpfs /sys/fs/cgroup tmpfs rw 0 0
cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0
cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0
cgroup /sys/fs/cgroup/pids cgroup rw,pids 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0
"""


def test_version_1_is_found_with_its_shared_hierarchies() -> None:
    """cpu and cpuacct are often one."""
    version, found = hierarchies(ONE)
    assert version == 1
    assert [path.name for path in found] == ["memory", "cpu,cpuacct", "pids"]


def test_version_2_is_found(tmp_path: Path) -> None:
    """By the controllers that it says it has."""
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    assert hierarchies(f"cgroup2 {tmp_path} cgroup2 rw 0 0\n") == (2, (tmp_path,))


def test_a_host_without_is_told_so(tmp_path: Path) -> None:
    """A version 2 that has no controllers is none."""
    (tmp_path / "cgroup.controllers").write_text("\n")
    with pytest.raises(LabError, match="control groups"):
        hierarchies(f"cgroup2 {tmp_path} cgroup2 rw 0 0\n")


def test_limits_of_both_versions() -> None:
    """Swap adds nothing to the memory."""
    assert dict(limits(SHARE, 1)) == {
        "memory.limit_in_bytes": str(512 << 20),
        "memory.memsw.limit_in_bytes": str(512 << 20),
        "cpu.cfs_period_us": "100000",
        "cpu.cfs_quota_us": "150000",
        "pids.max": "300",
    }
    assert dict(limits(SHARE, 2)) == {
        "memory.max": str(512 << 20),
        "memory.swap.max": "0",
        "cpu.max": "150000 100000",
        "pids.max": "300",
    }


def test_version_2_makes_controllers_reach_the_group(tmp_path: Path) -> None:
    """From the top down, each folder on the way must hand them on."""
    parent, own = tmp_path / "lab-class-1a2b3c", tmp_path / "lab-class-1a2b3c" / "ada"
    own.mkdir(parents=True)
    for name, _ in limits(SHARE, 2):
        (own / name).touch()
    Group("lab-class-1a2b3c/ada", (tmp_path,), 2).make(SHARE)
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+memory +cpu +pids"
    assert (parent / "cgroup.subtree_control").read_text() == "+memory +cpu +pids"
    assert not (own / "cgroup.subtree_control").exists()
    assert (own / "pids.max").read_text() == "300"


def test_use_of_both_versions() -> None:
    """Same figures from either's files; nothing where there is no group."""
    one = {
        "memory.usage_in_bytes": str(100 << 20),
        "memory.max_usage_in_bytes": str(150 << 20),
        "memory.stat": f"cache 5\ninactive_file 5\ntotal_inactive_file {30 << 20}\n",
        "cpuacct.usage": "2500000000",
        "pids.current": "7",
    }
    two = {
        "memory.current": str(100 << 20),
        "memory.peak": str(150 << 20),
        "memory.stat": f"anon 5\ninactive_file {30 << 20}\n",
        "cpu.stat": "usage_usec 2500000\nuser_usec 1\n",
        "pids.current": "7",
    }
    assert measured(one) == measured(two) == Use(70.0, 150.0, 2.5, 7)
    assert measured({}) == Use(0, 0, 0, 0)

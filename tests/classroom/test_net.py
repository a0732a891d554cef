"""Addresses and rules of the sandboxes' network; that they hold is shown in a real class."""

from __future__ import annotations

from ipaddress import IPv4Network
from pathlib import Path

import pytest

from lab.classroom import net
from lab.classroom.marks import Marks
from lab.classroom.net import Link
from lab.errors import LabError

MARKS = Marks("1a2b3c")


def test_links_do_not_meet() -> None:
    """Each trainee has a /30 of their own, none has the hub's."""
    links = [Link.of("10.200.0.0/16", number) for number in range(1, 1001)]
    nets = {IPv4Network(f"{each.host}/30", strict=False) for each in links}
    assert len(nets) == 1000
    assert all(each.sandbox in IPv4Network(f"{each.host}/30", strict=False) for each in links)
    assert not any(net.hub_address("10.200.0.0/16") in each for each in nets)


def test_a_network_has_an_end() -> None:
    """A number that does not fit is refused, not laid over another's."""
    with pytest.raises(LabError, match="no room"):
        Link.of("10.200.0.0/28", 4)


def test_a_free_network_meets_none_in_use() -> None:
    """Not even one that only lies in it; two classes begin to look at different ones."""
    first = net.free_network("000000", [])
    assert net.free_network("000000", [IPv4Network(first)]) != first
    assert net.free_network("000000", [IPv4Network(first.replace("0.0/16", "7.0/24"))]) != first
    assert net.free_network("000001", []) != first


def test_no_free_network_is_an_error() -> None:
    """As where the host routes all of 10.0.0.0/8."""
    with pytest.raises(LabError, match="uses all networks"):
        net.free_network("000000", [IPv4Network("10.0.0.0/8")])


def test_the_filter_names_only_the_class_s_own() -> None:
    """Table and links carry its mark, and the table replaces only itself."""
    text = net.table(MARKS, net.hub_address("10.200.0.0/16"), 8081)
    assert text.count("table inet") == text.count("table inet lab_class_1a2b3c") == 3
    assert 'iifname "lc1a2b3c-*"' in text
    assert "ip daddr 10.200.0.1 tcp dport 8081 accept" in text
    assert "flush" not in text


def test_names_fit_the_kernel() -> None:
    """A link's name has at most 15 letters, also of the last trainee of a network."""
    assert len(MARKS.link(16383)) <= 15
    assert Marks.of(Path("/a")) != Marks.of(Path("/b"))

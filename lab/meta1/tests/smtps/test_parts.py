"""The small parts of smtps: ids, limits, the number of a process."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from meta1.config import parse_config
from meta1.smtp.reply import TOO_BUSY, TOO_MANY_FROM_YOU
from meta1.smtps import server_index
from meta1.smtps_ids import BLOCK, Ids
from meta1.smtps_limits import Limits, client_key


def test_ids_have_the_documented_form(tmp_path: Path) -> None:
    """S, 16 hex digits, 2 hex digits; they grow."""
    ids = Ids(tmp_path / "ids", 3)
    one, two = ids.next(), ids.next()
    assert len(one) == 19 and one[0] == "S" and one.endswith("03")
    assert int(two[1:17], 16) == int(one[1:17], 16) + 1


def test_ids_never_come_again(tmp_path: Path) -> None:
    """A new process begins behind the block of the last, used up or not."""
    path = tmp_path / "ids"
    path.write_text("1000\n")
    first = int(Ids(path, 0).next()[1:17], 16)
    second = int(Ids(path, 0).next()[1:17], 16)
    assert (first, second) == (1001, 1001 + BLOCK)


@pytest.mark.parametrize("text", ["", "x", "-5", str(1 << 70)])
def test_damaged_id_file(tmp_path: Path, text: str) -> None:
    """Without a good number the clock gives a start where no run has been."""
    path = tmp_path / "ids"
    path.write_text(text)
    number = int(Ids(path, 0).next()[1:17], 16)
    assert abs(number / 2**20 - time.time()) < 10


def test_end_of_a_block(tmp_path: Path) -> None:
    """The next block is noted on disk before its first number is used."""
    path = tmp_path / "ids"
    path.write_text("0\n")
    ids = Ids(path, 0)
    ids._next = BLOCK
    ids.next()
    assert int(path.read_text()) == 2 * BLOCK


def test_limits() -> None:
    """Sessions are counted in all and for each client."""
    limits = Limits(3, 2)
    assert limits.enter("a") is None and limits.enter("a") is None
    assert limits.enter("a") is TOO_MANY_FROM_YOU
    limits.leave("a")
    assert limits.enter("b") is None
    assert limits.enter("c") is TOO_BUSY
    for key in "aabc":
        limits.leave(key)
    assert limits.sessions == 0 and not limits._clients
    limits.change(1, 1)
    assert limits.enter("a") is None and limits.enter("b") is TOO_BUSY


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::2:0:0:1", "2001:db8:0:0::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("not:an:address", "not:an:address"),
    ],
)
def test_client_keys(address: str, key: str) -> None:
    """An IPv6 client is its /64, for it can use any address in it."""
    import ipaddress

    got = client_key(address)
    if "/" in key:
        assert ipaddress.IPv6Network(got) == ipaddress.IPv6Network(key)
    else:
        assert got == key


def test_processes_are_numbered_through() -> None:
    """Several servers with several processes never share a number."""
    config = parse_config(
        b"smtps mx { processes = 2; listen_socket { port = 2501; } }\n"
        b"smtps msa { processes = 3; pass_fd_socket = smtps/two; listen_socket { port = 2502; } }"
    )
    numbers = [
        server_index(config, section, process)
        for section in config.smtps
        for process in range(section.processes)
    ]
    assert numbers == [0, 1, 2, 3, 4]

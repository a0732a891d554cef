"""aiosmtpd's own tests, pointed at MeTA1 and at Postfix in the same run: no test may fail with MeTA1 alone.

The tests were written for a server in their own process. Two changes point them elsewhere: the fixture that starts
that server gives an address instead, and replies count as equal when their codes are. Postfix fails many of them,
since they also ask for what only aiosmtpd says; so Postfix is the measure. Where MeTA1 is stricter than Postfix on
purpose, `STRICTER` says in what.
"""

from __future__ import annotations

import io
import tarfile
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lab.bench.foreign import source, unpack
from lab.bench.interop.peers import AIOSMTPD, NOWHERE, POSTFIX
from lab.bench.interop.world import OWN_ADDRESS, TOP, World
from lab.bench.results import Cell, Table
from lab.providers.base import Progress

REQUIREMENT = "aiosmtpd==1.4.6"
PACKAGES = ("python3-pytest-mock", "python3-pkg-resources", "python3-aiosmtpd")
FOLDER = f"{TOP}/suite"
TESTS = ("aiosmtpd/tests/test_smtp.py::TestSMTP",)
POINTED = """

import os as _os


@pytest.fixture
def plain_controller():
    class There:
        hostname, port = _os.environ["SERVER"], 25
    Global.set_addr_from(There)
    yield There
"""
CODES = """

StatusCode.__eq__ = lambda self, other: self.code == other[0]
StatusCode.__ne__ = lambda self, other: self.code != other[0]
StatusCode.__hash__ = lambda self: hash(self.code)
"""
PASSED = "passed"
STRICTER: Mapping[str, Callable[[str, str], bool]] = {
    "an address without < and > (RFC 5321 4.1.2 asks for them)": lambda name, address: (
        bool(address) and not address.lstrip().startswith("<")
    ),
    'an empty local part, "" (the grammar allows it)': lambda name, address: (
        '""@' in address or "bpo27931" in name
    ),
    "no address at all: 553 where the test wants 501": lambda name, address: "noaddr" in name,
}
"""In what, and how a test is told by its name and the address that it sends."""


@dataclass(frozen=True, slots=True)
class Compared:
    """For each test: what became of it."""

    meta1: Mapping[str, str]
    postfix: Mapping[str, str]
    addresses: Mapping[str, str]

    def alone(self) -> list[str]:
        """Tests that Postfix passes and MeTA1 does not."""
        return [
            name
            for name, end in self.meta1.items()
            if end != PASSED and self.postfix.get(name) == PASSED
        ]

    def reason(self, name: str) -> str:
        """Why MeTA1 fails a test on purpose; empty if there is no such reason."""
        address = self.addresses.get(name, "")
        return next((why for why, fits in STRICTER.items() if fits(name, address)), "")

    def worse(self) -> list[str]:
        """Those of them that have no reason."""
        return [name for name in self.alone() if not self.reason(name)]

    def table(self) -> Table:
        """Counts."""
        ends = (PASSED, "failed")
        rows: list[list[Cell]] = [
            [name, *(sum(each == end for each in found.values()) for end in ends)]
            for name, found in (("MeTA1", self.meta1), ("Postfix", self.postfix))
        ]
        for why in STRICTER:
            count = sum(self.reason(name) == why for name in self.alone())
            rows.append([f"only MeTA1 fails: {why}", None, count])
        rows.append(["only MeTA1 fails, for any other reason", None, len(self.worse())])
        name = REQUIREMENT.replace("==", " ")
        return Table(f"Tests of {name}, its class TestSMTP", ["", *ends], rows)

    def facts(self) -> dict[str, Cell]:
        """For prose."""
        better = [
            name
            for name, end in self.postfix.items()
            if end != PASSED and self.meta1[name] == PASSED
        ]
        return {
            "suite-tests": len(self.meta1),
            "suite-alone": len(self.alone()),
            "suite-worse": len(self.worse()),
            "suite-better": len(better),
        }


def compared(world: World, progress: Progress) -> Compared:
    """Run them against both."""
    unpack(world.vm, PACKAGES, progress)
    world.vm.run(
        "mkdir -p %s && tar xz -C %s",
        FOLDER,
        FOLDER,
        input=_changed(source(REQUIREMENT, progress).read_bytes()),
    )
    world.map("access", "cltaddr:127.0.0.1 relay\ncltaddr:127.0.1.1 relay\n")
    world.map("mailertable", "".join(f"{domain} [{AIOSMTPD.host}]\n" for domain in NOWHERE))
    world.meta1(verify=True, restart=True)
    found: dict[str, dict[str, str]] = {}
    report = b""
    for name, address in (("MeTA1", OWN_ADDRESS), (POSTFIX.name, POSTFIX.address)):
        progress(f"aiosmtpd's tests against {name}")
        world.vm.run(
            "cd %s/aiosmtpd-* && SERVER=%s timeout 400 python3 -m pytest -q -p no:cacheprovider -o addopts="
            " -o filterwarnings= --junit-xml=%s/found.xml %s",
            FOLDER, address, FOLDER, *TESTS, check=False, timeout=420,
        )  # fmt: skip
        report = world.vm.get(f"{FOLDER}/found.xml")
        found[name] = _ends(report)
    world.root("rm -f /etc/meta1/mailertable /etc/meta1/mailertable.db")
    return Compared(found["MeTA1"], found[POSTFIX.name], _addresses(report))


def _changed(archive: bytes) -> bytes:
    """The archive, pointed elsewhere."""
    more = {"tests/conftest.py": POINTED, "testing/statuscodes.py": CODES}
    out = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(archive)) as old,
        tarfile.open(fileobj=out, mode="w:gz") as new,
    ):
        for member in old.getmembers():
            content = old.extractfile(member)
            data = content.read() if content else b""
            addition = next((text for end, text in more.items() if member.name.endswith(end)), "")
            data += addition.encode()
            member.size = len(data)
            new.addfile(member, io.BytesIO(data))
    return out.getvalue()


def _ends(report: bytes) -> dict[str, str]:
    """Name of each test: passed or failed."""
    bad = ("failure", "error", "skipped")
    return {
        _name(case): "failed" if any(case.find(kind) is not None for kind in bad) else PASSED
        for case in ET.fromstring(report).iter("testcase")
    }


def _addresses(report: bytes) -> dict[str, str]:
    """Name of each test: the address that it sends, as the fixture has noted it."""
    return {
        _name(case): str(noted.get("value"))
        for case in ET.fromstring(report).iter("testcase")
        for noted in case.iter("property")
    }


def _name(case: ET.Element) -> str:
    return f"{case.get('classname')}.{case.get('name')}"

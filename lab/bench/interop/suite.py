"""aiosmtpd's own tests, pointed at MeTA1 and at Postfix in the same run: MeTA1 passes what RFC 5321 supports.

The tests were written for a server in their own process. Two changes point them elsewhere: the fixture that starts
that server gives an address instead, and replies count as equal when their codes are. They also ask for what only
aiosmtpd says; so Postfix is the measure: what it passes MeTA1 passes as well, but for `DEVIATIONS`. That table is
held in both directions: a test that fails without a reason is named, and so is one that has a reason and passes.
"""

from __future__ import annotations

import io
import tarfile
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lab.bench.foreign import source, unpack
from lab.bench.interop.peers import AIOSMTPD, NOWHERE, POSTFIX
from lab.bench.interop.world import OWN_ADDRESS, TOP, World
from lab.bench.results import Cell, Table
from lab.providers.base import Progress

REQUIREMENT = "aiosmtpd==1.4.6"
PACKAGES = ("python3-pytest-mock", "python3-pkg-resources", "python3-aiosmtpd")
SERVERS = (POSTFIX, AIOSMTPD)
"""The other server, and where mail for other domains goes."""
FOLDER = f"{TOP}/suite"
TESTS = ("aiosmtpd/tests/test_smtp.py::TestSMTP",)
POINTED = """

import os as _os


@pytest.fixture
def plain_controller():
    class There:
        hostname, port = _os.environ["SERVER"], 25
        stop = staticmethod(lambda: None)
    Global.set_addr_from(There)
    yield There


@pytest.fixture(autouse=True)
def sent(request, record_property):
    chosen = getattr(request.node, "callspec", None)
    for name in ("address", "command"):
        if chosen is not None and name in chosen.params:
            record_property("sent", chosen.params[name])
"""
CODES = """

StatusCode.__eq__ = lambda self, other: self.code == other[0]
StatusCode.__ne__ = lambda self, other: self.code != other[0]
StatusCode.__hash__ = lambda self: hash(self.code)
"""
PASSED = "passed"


@dataclass(frozen=True, slots=True)
class Deviation:
    """A decision of ours against what a test wants. `fits` tells such a test by what it sends."""

    name: str
    rule: str
    postfix: str
    fits: Callable[[str, str], bool]


DEVIATIONS = (
    Deviation(
        "an address without < and >",
        'RFC 5321 4.1.2: Path = "<" [ A-d-l ":" ] Mailbox ">"; what is taken here stands in '
        "queue, log and headers later",
        "takes it; with strict_rfc821_envelopes = yes it refuses, too",
        lambda name, sent: (
            "valid_address" in name and "invalid" not in name and not sent.lstrip().startswith("<")
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Compared:
    """For each test what became of it, and what it sends where it has a choice."""

    meta1: Mapping[str, str]
    postfix: Mapping[str, str]
    sent: Mapping[str, str]

    def alone(self) -> list[str]:
        """Tests that Postfix passes and MeTA1 does not."""
        return [
            name
            for name, end in self.meta1.items()
            if end != PASSED and self.postfix.get(name) == PASSED
        ]

    def better(self) -> list[str]:
        """Tests that MeTA1 passes and Postfix does not."""
        return [
            name
            for name, end in self.postfix.items()
            if end != PASSED and self.meta1.get(name) == PASSED
        ]

    def neither(self) -> list[str]:
        """Tests that both fail."""
        return [
            name
            for name, end in self.meta1.items()
            if end != PASSED and self.postfix.get(name) != PASSED
        ]

    def reason(self, name: str) -> str:
        """The deviation that a test is about; empty if there is none."""
        sent = self.sent.get(name, "")
        return next((each.name for each in DEVIATIONS if each.fits(name, sent)), "")

    def wrong(self) -> list[str]:
        """What is not as the table says, in words."""
        new = [f"{each} fails with MeTA1 alone" for each in self.alone() if not self.reason(each)]
        gone = [
            f"{name} passes with MeTA1, yet has a reason to fail: {self.reason(name)}"
            for name, end in self.meta1.items()
            if end == PASSED and self.reason(name)
        ]
        unused = [
            f"no test fails by: {each.name}"
            for each in DEVIATIONS
            if each.name not in map(self.reason, self.alone())
        ]
        return new + gone + unused

    def table(self) -> Table:
        """Counts."""
        ends = (PASSED, "failed")
        rows: list[list[Cell]] = [
            [name, *(sum(each == end for each in found.values()) for end in ends)]
            for name, found in (("MeTA1", self.meta1), ("Postfix", self.postfix))
        ]
        name = REQUIREMENT.replace("==", " ")
        return Table(f"Tests of {name}, its class TestSMTP", ["", *ends], rows)

    def deviations(self) -> Table:
        """Each decision with its reason, what Postfix does, and how many tests it costs."""
        reasons = Counter(map(self.reason, self.alone()))
        return Table(
            "Tests that only MeTA1 fails",
            ["a test sends", "why MeTA1 refuses", "Postfix", "tests"],
            [[each.name, each.rule, each.postfix, reasons[each.name]] for each in DEVIATIONS],
        )

    def facts(self) -> dict[str, Cell]:
        """For prose."""
        return {
            "suite-tests": len(self.meta1),
            "suite-alone": len(self.alone()),
            "suite-better": len(self.better()),
            "suite-neither": len(self.neither()),
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
    return Compared(found["MeTA1"], found[POSTFIX.name], _sent(report))


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


def _sent(report: bytes) -> dict[str, str]:
    """Name of each test: the address or command that it sends, as the fixture has noted it."""
    return {
        _name(case): str(noted.get("value"))
        for case in ET.fromstring(report).iter("testcase")
        for noted in case.iter("property")
    }


def _name(case: ET.Element) -> str:
    return f"{case.get('classname')}.{case.get('name')}"

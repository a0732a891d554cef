"""Routes: local domains, aliases, users, the mailer table, and what cannot be delivered."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meta1.aliases import BadAlias, Limits, expand, words_of
from meta1.dns import Answer as DnsAnswer
from meta1.maps.base import NO_MORE, NOT_FOUND, Answer, MapFailure, MapRefusal, Status
from meta1.messages import RouteResolved
from meta1.mx import Exchangers
from meta1.queue.envelope import Outcome
from meta1.routing import Lookup, Routing, Rules


class Dict:
    """A map in memory."""

    name = "dict"

    def __init__(self, **entries: str) -> None:
        """Hold these entries."""
        self.entries = entries

    async def lookup(self, key: str) -> Answer:
        """Answer; some values stand for answers without one."""
        value = self.entries.get(key.lower())
        if value == "FAILS":
            raise MapFailure("map is away")
        if value == "REFUSES":
            raise MapRefusal("never")
        if value == "NOMORE":
            return NO_MORE
        return NOT_FOUND if value is None else Answer(Status.OK, value)

    def close(self) -> None:
        """Nothing to close."""


class FixedDns:
    """Every name has one address."""

    async def ask(self, name: str, kind: str) -> DnsAnswer:
        """Answer."""
        if name.startswith("no."):
            return DnsAnswer((), name_exists=False)
        records = {"MX": (f"10 mx.{name}.",), "A": ("192.0.2.1",)}
        return DnsAnswer(records.get(kind, ()))

    async def reverse(self, address: str) -> DnsAnswer:
        """Nobody asks."""
        return DnsAnswer()


BOTH = frozenset({"localpart", "local_domains"})
ALIASES = Dict(
    staff="anna, ben@local.test\tcarl@far.test",
    me="me, copy@far.test",
    a="b", b="a",
    deep1="deep2", deep2="deep3", deep3="deep4", deep4="user",
    pipe="|/bin/sh", include=":include:/etc/passwd", file="/etc/passwd",
    **{"owner-staff": "boss", "quoted": '"odd name"@far.test, <x@far.test>', "away": "FAILS"},
)  # fmt: skip
USERS = Dict(anna="", ben="", me="", user="", boss="")
TABLE = Dict(
    **{
        "smart.test": "[gate.test]:2525", ".below.test": "hub.test", "lmtp.test": "lmtp:/run/other",
        "gone.test": "error:550 5.1.6 moved away", "odd.test": "smtp:a b c", "local2.test": "lmtp:",
        "lit.test": "[192.0.2.99]", "one@addr.test": "hub.test:26", "no.test": "NOMORE",
    }
)  # fmt: skip
RULES = Rules(
    hostname="mail.own.test", local_domains=frozenset({"local.test"}), lmtp_socket="/run/lmtp",
    port=25, user_delimiter="+", limits=Limits(3, 10), aliases=Lookup(ALIASES, BOTH),
    users=Lookup(USERS, BOTH),
    mailertable=Lookup(TABLE, frozenset({"full_address", "domain", "subdomains"})),
)  # fmt: skip


def resolve(mailbox: str, rules: Rules = RULES, expand: bool = True) -> RouteResolved:
    """Resolve one address."""
    exchangers = Exchangers(FixedDns(), frozenset({"mail.own.test"}), ipv6=False)
    return asyncio.run(Routing(rules, exchangers).resolve(1, mailbox, expand))


def ways(answer: RouteResolved) -> list[tuple[str, str]]:
    """Address and destination of each target."""
    return [(one.forward_path, one.next_hop.key) for one in answer.targets]


@pytest.mark.parametrize(
    ("mailbox", "expected"),
    [
        ("user@local.test", [("user@local.test", "lmtp:/run/lmtp")]),
        ("User+box@LOCAL.test", [("User+box@LOCAL.test", "lmtp:/run/lmtp")]),
        ("user@mail.own.test", [("user@mail.own.test", "lmtp:/run/lmtp")]),
        ("x@far.test", [("x@far.test", "far.test")]),
        ("x@Far.Test.", [("x@Far.Test.", "far.test")]),
        ("x@smart.test", [("x@smart.test", "[gate.test]:2525")]),
        ("x@a.below.test", [("x@a.below.test", "hub.test")]),
        ("x@below.test", [("x@below.test", "below.test")]),
        ("user@lmtp.test", [("user@lmtp.test", "lmtp:/run/other")]),
        ("one@addr.test", [("one@addr.test", "hub.test:26")]),
        ("two@addr.test", [("two@addr.test", "addr.test")]),
        ("x@lit.test", [("x@lit.test", "[192.0.2.99]")]),
        ("postmaster@local.test", [("postmaster@local.test", "lmtp:/run/lmtp")]),
        ("Postmaster", [("Postmaster@mail.own.test", "lmtp:/run/lmtp")]),
        (
            "staff@local.test",
            [
                ("anna@local.test", "lmtp:/run/lmtp"),
                ("ben@local.test", "lmtp:/run/lmtp"),
                ("carl@far.test", "far.test"),
            ],
        ),
        (
            "me@local.test",
            [("me@local.test", "lmtp:/run/lmtp"), ("copy@far.test", "far.test")],
        ),
        (
            "quoted@local.test",
            [('"odd name"@far.test', "far.test"), ("x@far.test", "far.test")],
        ),
    ],
)
def test_ways(mailbox: str, expected: list[tuple[str, str]]) -> None:
    """Each address goes where the tables say."""
    answer = resolve(mailbox)
    assert answer.outcome is Outcome.DELIVERED, answer.text
    assert ways(answer) == expected


def test_ports_and_hosts() -> None:
    """A port in the mailer table is used; [host] has no MX lookup."""
    (target,) = resolve("x@smart.test").targets
    assert [(one.name, one.address, one.port) for one in target.next_hop.hosts] == [
        ("gate.test", "192.0.2.1", 2525)
    ]
    (target,) = resolve("one@addr.test").targets
    assert [(one.name, one.port) for one in target.next_hop.hosts] == [("mx.hub.test", 26)]


def test_smart_host() -> None:
    """A dot alone stands for all that has no entry of its own; local domains stay local."""
    table = Dict(**{".": "[gate.test]:2525", "own-way.test": "hub.test"})
    rules = replace(RULES, mailertable=Lookup(table, frozenset({"domain", "subdomains"})))
    found = [
        ways(resolve(f"user@{domain}", rules))[0][1]
        for domain in ("far.test", "a.far.test", "own-way.test", "local.test")
    ]
    assert found == ["[gate.test]:2525", "[gate.test]:2525", "hub.test", "lmtp:/run/lmtp"]


def test_owner_takes_over_failures() -> None:
    """`owner-staff` answers for the members of `staff`."""
    assert {one.reverse_path for one in resolve("staff@local.test").targets} == {
        "owner-staff@local.test"
    }
    assert [one.reverse_path for one in resolve("me@local.test").targets] == ["", ""]


@pytest.mark.parametrize(
    ("mailbox", "outcome", "code", "enhanced"),
    [
        ("nobody@local.test", Outcome.FAILED, 550, "5.1.1"),
        ("x@gone.test", Outcome.FAILED, 550, "5.1.6"),
        ("x@no.where.test", Outcome.FAILED, 550, "5.1.2"),
        ("x@odd.test", Outcome.RETRY, 451, "4.3.5"),
        ("a@local.test", Outcome.RETRY, 451, "4.3.5"),
        ("deep1@local.test", Outcome.RETRY, 451, "4.3.5"),
        ("pipe@local.test", Outcome.RETRY, 451, "4.3.5"),
        ("file@local.test", Outcome.RETRY, 451, "4.3.5"),
        ("include@local.test", Outcome.RETRY, 451, "4.3.5"),
        ("away@local.test", Outcome.RETRY, 451, "4.3.0"),
    ],
)
def test_no_way(mailbox: str, outcome: Outcome, code: int, enhanced: str) -> None:
    """Final where it is certain; mistakes of the operator wait until they are mended."""
    answer = resolve(mailbox)
    assert (answer.outcome, answer.code, answer.enhanced_code) == (outcome, code, enhanced)


def test_expansion_is_done_once() -> None:
    """Without `expand` an alias is an address like any other."""
    assert ways(resolve("me@local.test", expand=False)) == [("me@local.test", "lmtp:/run/lmtp")]


def test_without_lmtp_socket_mail_waits() -> None:
    """A missing LMTP_socket is a mistake of the operator, not of the sender."""
    answer = resolve("user@local.test", replace(RULES, lmtp_socket=""))
    assert answer.outcome is Outcome.RETRY


def test_without_a_user_map_lmtp_decides() -> None:
    """Every local part is good then."""
    assert resolve("nobody@local.test", replace(RULES, users=None)).targets


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        ("local.test", True), ("LOCAL.TEST.", True), ("mail.own.test", True), ("own.test", False),
        ("sub.local.test", False), ("lmtp.test", True), ("smart.test", False), ("", False),
        ("local2.test", True),
    ],
)  # fmt: skip
def test_what_is_local(domain: str, expected: bool) -> None:
    """The host name is local, its parent domain is not."""
    exchangers = Exchangers(FixedDns(), frozenset())
    assert asyncio.run(Routing(RULES, exchangers).is_local(domain)) is expected


# ---- aliases -------------------------------------------------------------------------------

names = st.sampled_from(["a", "b", "c", "d", "e"])
graphs = st.dictionaries(names, st.lists(names, min_size=1, max_size=4))


@given(graphs, names)
def test_every_expansion_ends(graph: dict[str, list[str]], start: str) -> None:
    """Whatever the loops: an end, no address twice, and none that is a mere alias."""

    async def find(mailbox: str) -> str | None:
        members = graph.get(mailbox.partition("@")[0])
        return None if members is None else ",".join(members)

    try:
        found = asyncio.run(expand(f"{start}@l", find, lambda mailbox: True, Limits(10, 100)))
    except BadAlias:
        return
    boxes = [one.mailbox for one in found]
    assert boxes and len(set(boxes)) == len(boxes)
    for box in boxes:
        name = box.partition("@")[0]
        assert name not in graph or name in graph[name]


@given(st.text(max_size=60))
def test_any_value_is_read_or_refused(value: str) -> None:
    """Words of a value are addresses with a domain."""
    try:
        words = words_of(value, "l.test")
    except BadAlias:
        return
    assert all("@" in one for one in words)


def test_wide_aliases_are_cut_off() -> None:
    """More addresses than allowed are an error, not half a list."""

    async def find(mailbox: str) -> str | None:
        return ",".join(f"u{number}@far" for number in range(50)) if mailbox == "all@l" else None

    with pytest.raises(BadAlias):
        asyncio.run(expand("all@l", find, lambda mailbox: mailbox.endswith("@l"), Limits(5, 20)))

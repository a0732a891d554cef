"""The life of a message in qmgr: taken, routed, delivered, deferred, reported, gone."""

from __future__ import annotations

from pathlib import Path

import pytest
from world import LATER, NEVER, START, World, route

from meta1.messages import RecipientResult, RouteResolved, TransactionRefused
from meta1.queue.control import Refused, control
from meta1.queue.envelope import NULL_PATH, Content, Envelope, Outcome, Recipient
from meta1.queue.schedule import DAY, Limits


@pytest.fixture()
def world(tmp_path: Path) -> World:
    """A fresh queue."""
    return World(tmp_path)


def reports(world: World) -> list[tuple[str, str]]:
    """Recipient and text of each report that went out."""
    return [(one.forward_paths[0], one.prologue) for one in world.log if one.prologue]


def test_a_message_is_delivered_and_forgotten(world: World) -> None:
    """250 comes after the journal; after delivery nothing is left, not in memory either."""
    world.submit("x@one.test", "y@one.test", "z@two.test")
    assert world.answers == [] and not world.deliveries
    world.run()
    assert len(world.accepted) == 1
    assert sorted(path for _, path in world.sent) == ["x@one.test", "y@one.test", "z@two.test"]
    assert len(world.log) == 2, "recipients with the same way share a delivery"
    assert not world.waiting and world.desk.queue.size == 0


def test_nothing_is_delivered_before_it_is_on_disk(world: World) -> None:
    """Without a round of the commit thread there is neither an answer nor a delivery."""
    world.submit("x@one.test")
    world.desk.pump(world.clock)
    assert world.answers == [] and not world.deliveries


def test_retry_backs_off_and_ends(tmp_path: Path) -> None:
    """Pauses double up to the limit; in the end the message goes back."""
    limits = Limits(min_retry=100, max_retry=400, return_timeout=2000, warning_timeout=0)
    world = World(tmp_path, limits=limits)
    world.weather.results["x@one.test"] = LATER
    name = world.submit("x@one.test")
    world.run()
    pauses = []
    while name in world.waiting:
        due = world.ledger.next_due()
        assert due is not None
        pauses.append(due - world.clock)
        assert world.desk.queue.size == 0, "a deferred message takes no room"
        world.later(due - world.clock)
    base = [100, 200, 400]
    for pause, wanted in zip(pauses, base, strict=False):
        assert abs(pause - wanted) <= wanted / 8
    assert max(pauses) <= 450
    ((to, text),) = reports(world)
    assert to == "a@b.example" and "Status: 5.4.7" in text and "Action: failed" in text


@pytest.mark.parametrize(
    ("host", "named"), [("mx.one.test", "dns; mx.one.test"), ("lmtp", "x-local; lmtp")]
)
def test_a_report_calls_only_names_of_dns_so(world: World, host: str, named: str) -> None:
    """RFC 3464 2.1.2: the LMTP server behind a socket has no name in DNS."""
    world.host = host
    world.weather.results["x@one.test"] = NEVER
    world.submit("x@one.test")
    world.run()
    ((_, text),) = reports(world)
    assert f"Remote-MTA: {named}\r\n" in text


def test_failure_is_reported_to_the_sender(world: World) -> None:
    """A DSN goes out around the content; it names the recipient, the reply and the server."""
    world.weather.results["x@one.test"] = NEVER
    world.submit("x@one.test", "y@one.test")
    world.run()
    ((to, text),) = reports(world)
    assert to == "a@b.example"
    assert "Final-Recipient: rfc822; x@one.test\r\n" in text and "y@one.test" not in text
    assert "Diagnostic-Code: smtp; 550 5.1.1 no such user" in text
    assert world.log[-1].reverse_path == NULL_PATH
    assert world.log[-1].content == Content("cdb/1", 0, 1000, 200)
    assert not world.waiting


@pytest.mark.parametrize(
    ("notify", "result", "expected"),
    [
        ("", NEVER, 1),
        ("NEVER", NEVER, 0),
        ("SUCCESS", NEVER, 0),
        ("FAILURE", NEVER, 1),
        ("SUCCESS", None, 1),
        ("SUCCESS,FAILURE", None, 1),
        ("", None, 0),
        ("FAILURE,DELAY", None, 0),
    ],
)
def test_notify_is_honoured(
    world: World, notify: str, result: RecipientResult | None, expected: int
) -> None:
    """RFC 3461 4.1: a report is sent when and only when it was asked for."""
    if result is not None:
        world.weather.results["x@one.test"] = result
    world.submit(Recipient("x@one.test", notify))
    world.run()
    assert len(reports(world)) == expected
    assert not world.waiting


def test_success_says_relayed_or_delivered(world: World) -> None:
    """To a strange server mail is relayed, to LMTP delivered; a DSN server reports itself."""
    relayed = RecipientResult(Outcome.DELIVERED, 250, "2.0.0", "ok", relayed=True)
    world.weather.results["z@dsn.test"] = relayed
    for path in ("x@one.test", "y@local.test", "z@dsn.test"):
        world.submit(Recipient(path, "SUCCESS"))
        world.run()
    texts = [text for _, text in reports(world)]
    assert len(texts) == 2
    assert "Action: relayed" in texts[0] and "Action: delivered" in texts[1]


def test_a_bounce_is_never_bounced(world: World) -> None:
    """A message from the null sender that fails vanishes (and is logged)."""
    world.weather.results["x@one.test"] = NEVER
    world.submit("x@one.test", sender=NULL_PATH)
    world.run()
    assert reports(world) == [] and not world.waiting


def test_double_bounce_goes_to_one_place_once(tmp_path: Path) -> None:
    """With double_bounce set it gets one report; that report failing too ends the matter."""
    world = World(tmp_path, double_bounce="postmaster")
    world.weather.results |= {
        "x@one.test": NEVER,
        "a@b.example": NEVER,
        "postmaster@mail.test": NEVER,
    }
    world.submit("x@one.test")
    world.run()
    assert [to for to, _ in reports(world)] == ["a@b.example", "postmaster@mail.test"]
    assert not world.waiting


def test_one_warning(tmp_path: Path) -> None:
    """The sender hears of a delay once, also when qmgr starts anew in between."""
    world = World(tmp_path, limits=Limits(warning_timeout=1000, min_retry=600))
    world.weather.results["x@one.test"] = LATER
    name = world.submit("x@one.test")
    world.run()
    world.later(700)
    assert reports(world) == []
    world.later(1400)
    assert ["Action: delayed" in text for _, text in reports(world)] == [True]
    again = World(tmp_path, world.weather, now=world.clock, limits=world.desk.queue.limits)
    assert name in again.waiting
    again.later(5000)
    assert reports(again) == [] and name in again.waiting


def test_alias_becomes_its_targets(world: World) -> None:
    """Each target is delivered for itself; an owner takes over the failures."""
    world.weather.routes["list@local.test"] = route(
        "x@one.test", "list@local.test", reverse_path="owner-list@local.test"
    )
    world.weather.results["x@one.test"] = NEVER
    world.submit("list@local.test")
    world.run()
    assert world.sent[0][1] == "list@local.test"
    assert {one.reverse_path for one in world.log[:2]} == {"owner-list@local.test"}
    ((to, text),) = reports(world)
    assert to == "owner-list@local.test"
    assert "Original-Recipient: rfc822;list@local.test" in text
    assert not world.waiting


def test_an_alias_is_not_expanded_twice(world: World) -> None:
    """A target that waits is tried alone, even if it bears the name of the alias."""
    world.weather.routes["me@local.test"] = route("me@local.test", "x@one.test")
    world.weather.results["me@local.test"] = LATER
    world.submit("me@local.test")
    world.run()
    world.weather.results.clear()
    world.later(1000)
    assert [path for _, path in world.sent] == ["x@one.test", "me@local.test"]
    assert not world.waiting


@pytest.mark.parametrize("outcome", [Outcome.RETRY, Outcome.FAILED])
def test_no_route(world: World, outcome: Outcome) -> None:
    """A route that does not exist fails; one that cannot be found now waits."""
    world.weather.routes["x@one.test"] = RouteResolved(0, outcome, (), 550, "5.1.2", "no host")
    name = world.submit("x@one.test")
    world.run()
    assert (name in world.waiting) == (outcome is Outcome.RETRY)
    assert len(reports(world)) == (outcome is Outcome.FAILED)


def test_a_dead_destination_is_left_alone(world: World) -> None:
    """One failed connection defers all that waits for the same place, and spares others."""
    world.weather.reached = lambda key: key != "one.test"
    world.desk.queue.limits = Limits(initial_connections=1, max_connections=1)
    for _ in range(5):
        world.submit("x@one.test")
    world.submit("y@two.test")
    world.run()
    assert len([one for one in world.log if one.next_hop.key == "one.test"]) <= 2
    assert [path for _, path in world.sent] == ["y@two.test"]
    assert len(world.ledger.deferred) == 5 and world.desk.queue.size == 0


def test_slow_start(tmp_path: Path) -> None:
    """Concurrency grows from the initial to the highest value with each success."""
    world = World(tmp_path, limits=Limits(initial_connections=2, max_connections=6))
    for _ in range(40):
        world.submit("x@one.test")
    world.write()
    most = []
    while world.waiting:
        world.desk.pump(world.clock)
        most.append(len(world.deliveries))
        while world.deliveries:
            world.answer(world.deliveries.popleft())
    assert most[0] == 2 and max(most) == 6 and most[:4] == [2, 3, 4, 5]


def test_full_queue_refuses_and_recovers(tmp_path: Path) -> None:
    """AQ_max_entries holds; mail is taken again when a tenth is free."""
    world = World(tmp_path, limits=Limits(max_entries=10))
    world.desk.slots = 0
    for _ in range(11):
        world.submit("x@one.test")
    world.run()
    refused = [one for one in world.answers if isinstance(one, TransactionRefused)]
    assert len(world.accepted) == 10 and [one.code for one in refused] == [452]
    assert world.desk.refusal
    world.desk.slots = 1
    world.run()
    assert not world.desk.refusal and not world.waiting


def test_deferred_mail_leaves_room_for_new(tmp_path: Path) -> None:
    """What comes back from DEFEDB fills only half of the queue."""
    world = World(tmp_path, limits=Limits(max_entries=10))
    world.weather.results["x@one.test"] = LATER
    for _ in range(20):
        world.submit("x@one.test")
        world.run()
    world.desk.slots = 0
    world.later(10_000)
    assert world.desk.queue.size == 5 and not world.desk.refusal


def test_smtpc_goes_away(world: World) -> None:
    """Its deliveries go out again; the queue does not count them twice."""
    world.submit("x@one.test")
    world.write()
    world.desk.pump(world.clock)
    lost = world.deliveries.popleft()
    world.desk.lost([lost.delivery_id])
    world.run()
    assert len(world.sent) == 1 and world.desk.under_way == 0 and not world.waiting


def test_a_clock_that_is_set_back_delays_nothing(tmp_path: Path) -> None:
    """Mail deferred by a clock a day fast is tried within the longest wait, restart or not."""
    limits = Limits(min_retry=60, max_retry=600)
    for is_restarted in (False, True):
        folder = tmp_path / str(is_restarted)
        folder.mkdir()
        world = World(folder, limits=limits, now=START + DAY)
        world.weather.results["x@one.test"] = LATER
        world.submit("x@one.test")
        world.run()
        world.weather.results.clear()
        world.clock = START
        if is_restarted:
            world = World(folder, limits=limits, now=START)
        else:
            world.desk.clock_set_back(world.clock)
        world.later(60)
        assert world.sent == []
        world.later(limits.max_retry * 9 / 8)
        assert len(world.sent) == 1 and not world.waiting


def test_an_end_hands_nothing_out(world: World) -> None:
    """A queue manager that ends keeps what it has."""
    world.desk.is_ending = True
    name = world.submit("x@one.test")
    world.run()
    assert world.sent == [] and world.waiting == {name} == world.accepted


def test_odd_messages_change_nothing(world: World) -> None:
    """A report nobody waits for, an id used twice, no recipients: refused or ignored."""
    name = world.submit("x@one.test")
    world.submit("x@one.test", name=name)
    world.desk.commit(Envelope("S9", "a@b", (), Content("cdb/1", 0, 1)), world.answers.append)
    assert [one.code for one in world.answers if isinstance(one, TransactionRefused)] == [451, 451]
    world.run()
    assert len(world.sent) == 1


def test_aborted_content(world: World) -> None:
    """A message whose content was not kept is forgotten."""
    world.desk.slots = 0
    name = world.submit("x@one.test")
    world.run()
    world.desk.abort(name)
    world.desk.slots = 10
    world.run()
    assert world.sent == [] and not world.waiting and world.desk.queue.size == 0


def test_content_files_are_kept_as_long_as_needed(world: World) -> None:
    """A sealed file is given up after the last message and its report, and after the sync."""
    world.weather.results["x@one.test"] = NEVER
    world.ledger.seal("cdb/2")
    world.run()
    assert world.unused == ["cdb/2"]
    world.submit("x@one.test")
    world.ledger.seal("cdb/1")
    world.desk.slots = 0
    world.run()
    assert world.unused == ["cdb/2"]
    world.desk.slots = 10
    world.run()
    assert world.unused == ["cdb/2", "cdb/1"] and not world.waiting


def say(world: World, command: str, *arguments: str) -> list[str]:
    """Run a command of qmgrctl."""
    return list(control(world.desk, command, arguments))


def test_operator_commands(world: World) -> None:
    """hold, release, retry, flush, delete, status and list do what they say."""
    world.weather.results["x@one.test"] = LATER
    names = [world.submit("x@one.test") for _ in range(3)]
    world.run()
    say(world, "hold", names[0])
    world.run()
    assert say(world, "status")[2] == "messages held\t1"
    world.weather.results.clear()
    say(world, "flush")
    world.run()
    assert world.waiting == {names[0]}
    assert "\theld\t" in say(world, "list")[0]
    with pytest.raises(Refused):
        say(world, "retry", names[0])
    say(world, "release", names[0])
    world.run()
    assert not world.waiting and world.desk.queue.size == 0
    world.desk.slots = 0
    one = world.submit("x@one.test")
    world.run()
    say(world, "hold", one)
    world.run()
    world.desk.slots = 10
    world.later(100_000)
    assert world.waiting == {one}
    say(world, "delete", one)
    world.run()
    assert not world.waiting and world.desk.queue.size == 0


@pytest.mark.parametrize(
    ("command", "arguments"), [("burn", ()), ("hold", ()), ("hold", ("S1",)), ("flush", ("x",))]
)
def test_wrong_commands_are_refused(world: World, command: str, arguments: tuple[str, ...]) -> None:
    """Unknown commands, ids and missing arguments get a sentence, not a crash."""
    with pytest.raises(Refused):
        say(world, command, *arguments)


def test_memory_only_entries_survive_hold_and_restart(tmp_path: Path) -> None:
    """A message held while it waits for smtpc is held after a restart, too."""
    world = World(tmp_path)
    world.desk.slots = 0
    name = world.submit("x@one.test")
    world.run()
    say(world, "hold", name)
    world.run()
    again = World(tmp_path)
    again.later(100_000)
    assert again.sent == [] and again.waiting == {name}

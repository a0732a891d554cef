"""What qmgrctl and mailq can ask of the queue: one function a command, in one table.

Answers are lines of text; a field is set apart from the next by a tab.  A list is made bit by
bit, so that a long queue does not hold up the mail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the tools read the table alone, and need not load the queue
    from meta1.queue.desk import Desk
    from meta1.queue.entry import Entry


class Refused(ValueError):
    """The command cannot be done; the text says why."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command: its function, what it takes, and its line in the manual."""

    run: Callable[[Desk, tuple[str, ...]], Iterator[str]]
    takes: str
    meaning: str


def control(desk: Desk, command: str, arguments: tuple[str, ...]) -> Iterator[str]:
    """Find the command and begin it; `Refused` for one that does not exist."""
    found = COMMANDS.get(command)
    if found is None:
        raise Refused(f"no command {command}; there are {', '.join(COMMANDS)}")
    if bool(arguments) != bool(found.takes):
        raise Refused(f"{command} takes {found.takes or 'no argument'}")
    return found.run(desk, arguments)


# ---- looking -------------------------------------------------------------------------------


def _status(desk: Desk, arguments: tuple[str, ...]) -> Iterator[str]:
    """Say how full the queue is and what goes where."""
    now = desk.outside.now()
    yield f"messages in memory\t{len(desk.ledger.entries)}"
    yield f"messages deferred\t{sum(not row.held for row in desk.ledger.deferred.values())}"
    yield f"messages held\t{sum(row.held for row in desk.ledger.deferred.values())}"
    yield f"recipients in AQ\t{desk.queue.size} of {desk.queue.limits.max_entries}"
    yield f"deliveries under way\t{desk.under_way} of {desk.slots}"
    yield f"taking mail\t{'no: ' + desk.refusal if desk.refusal else 'yes'}"
    for key, waiting, one in desk.queue.overview():
        dead = f", left alone for {one.dead_until - now:.0f} s" if one.is_dead(now) else ""
        yield f"to {key}\t{waiting} ready, {one.active} of {one.limit} under way{dead}"


def _list(desk: Desk, arguments: tuple[str, ...]) -> Iterator[str]:
    """List all messages."""
    for transaction_id in [*desk.ledger.entries, *desk.ledger.deferred]:
        active = desk.ledger.entries.get(transaction_id)
        in_memory = active is not None and not active.is_deferred
        if in_memory or transaction_id in desk.ledger.deferred:
            entry = active or desk.outside.load(transaction_id)
            if entry is not None:
                yield from _lines(entry, active is not None)


def _lines(entry: Entry, is_active: bool) -> Iterator[str]:
    """One message: id, state, size, arrival, sender; then each open recipient."""
    envelope = entry.envelope
    state = "held" if entry.held else "active" if is_active else "deferred"
    size = envelope.content.length
    fields = (entry.transaction_id, state, size, f"{entry.arrived:.0f}", envelope.reverse_path)
    yield "\t".join(str(one) for one in fields)
    for number in entry.open_recipients():
        one = entry.recipients[number]
        reply = " ".join(str(part) for part in (one.code, one.enhanced_code, one.text) if part)
        last = (one.forward_path, one.attempts, f"{one.next_try:.0f}", reply)
        yield "\t" + "\t".join(str(part) for part in last)


# ---- acting --------------------------------------------------------------------------------


def _flush(desk: Desk, arguments: tuple[str, ...]) -> Iterator[str]:
    """Try everything now that is not held."""
    now = desk.outside.now()
    desk.queue.revive()
    count = 0
    for row in list(desk.ledger.deferred.values()):
        if not row.held and row.transaction_id not in desk.ledger.entries:
            desk.ledger.hasten(row.transaction_id, now)
            count += 1
    desk.tick(now)
    yield "1 message is tried again" if count == 1 else f"{count} messages are tried again"


def _chosen(desk: Desk, arguments: tuple[str, ...]) -> list[Entry]:
    """Find the messages named, or all; `Refused` if one does not exist."""
    names = list(arguments)
    if names == ["ALL"]:
        names = list(desk.ledger.entries.keys() | desk.ledger.deferred.keys())
    entries = []
    for name in names:
        entry = desk.ledger.entries.get(name)
        if entry is None and name in desk.ledger.deferred:
            entry = desk.outside.load(name)
        if entry is None:
            raise Refused(f"no message {name} in the queue")
        entries.append(entry)
    return entries


def _hold(desk: Desk, arguments: tuple[str, ...]) -> Iterator[str]:
    """Keep messages back until they are released."""
    for entry in _chosen(desk, arguments):
        desk.hold(entry)
        yield f"{entry.transaction_id} held"


def _release(desk: Desk, arguments: tuple[str, ...]) -> Iterator[str]:
    """Let held messages go on, at once."""
    for entry in _chosen(desk, arguments):
        desk.release(entry)
        yield f"{entry.transaction_id} released"


def _delete(desk: Desk, arguments: tuple[str, ...]) -> Iterator[str]:
    """Take messages out; nobody is told."""
    for entry in _chosen(desk, arguments):
        desk.ledger.remember(entry)
        desk.discard(entry)
        yield f"{entry.transaction_id} deleted"


def _retry(desk: Desk, arguments: tuple[str, ...]) -> Iterator[str]:
    """Try messages now."""
    desk.queue.revive()
    for entry in _chosen(desk, arguments):
        if entry.held:
            raise Refused(f"{entry.transaction_id} is held: release it")
        desk.release(entry)
        yield f"{entry.transaction_id} is tried again"


_NAMES = "one or more message ids, or ALL"
COMMANDS = {
    "status": Command(_status, "", "say how full the queue is and what goes where"),
    "list": Command(_list, "", "list all messages, as mailq shows them"),
    "flush": Command(_flush, "", "try all messages now that are not held"),
    "hold": Command(_hold, _NAMES, "keep messages back until they are released"),
    "release": Command(_release, _NAMES, "let held messages go on at once"),
    "delete": Command(_delete, _NAMES, "take messages out of the queue; nobody is told"),
    "retry": Command(_retry, _NAMES, "try messages now"),
}

"""A grid of what a server answered to every kind of client: a Markdown table, one row for all answered alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import NamedTuple


class Question(NamedTuple):
    """One client that asks about one recipient while one map is in use."""

    map: str
    client: str
    certificate: str
    recipient: str


Codes = tuple[int, ...]


def decision_grid(answers: Mapping[Question, int]) -> str:
    """Write the table; clients and certificates that get the same answers share a row."""
    recipients = list(dict.fromkeys(question.recipient for question in answers))
    lines = [
        _row(["map", "client", "certificate", *map(_short, recipients)]),
        _row(["---"] * (3 + len(recipients))),
    ]
    for name in dict.fromkeys(question.map for question in answers):
        for clients, certificates, codes in _merged(answers, name, recipients):
            lines.append(_row([name, clients, certificates, *map(_shown, codes)]))
    return "\n".join(lines) + "\n"


def _merged(
    answers: Mapping[Question, int], name: str, recipients: list[str]
) -> Iterator[tuple[str, str, Codes]]:
    """Rows of one map: first the certificates that make no difference, then the clients."""
    clients = list(dict.fromkeys(each.client for each in answers))
    certificates = list(dict.fromkeys(each.certificate for each in answers))
    rows: dict[tuple[tuple[str, ...], Codes], list[str]] = defaultdict(list)
    for client in clients:
        alike: dict[Codes, list[str]] = defaultdict(list)
        for each in certificates:
            codes = tuple(answers[Question(name, client, each, to)] for to in recipients)
            alike[codes].append(each)
        for codes, group in alike.items():
            rows[tuple(group), codes].append(client)
    for (group_of, codes), who in rows.items():
        yield _names(who, clients), _names(list(group_of), certificates), codes


def _names(some: list[str], every: list[str]) -> str:
    """The names, or `any` where none is missing; where one is, that one is shorter to say."""
    missing = [each for each in every if each not in some]
    if not missing:
        return "any"
    return f"all but {missing[0]}" if len(missing) == 1 < len(some) - 1 else ", ".join(some)


def _short(recipient: str) -> str:
    """An address as the head of a column: `.example`, in which all of the lab ends, is left out."""
    return recipient.removesuffix(".example")


def _shown(code: int) -> str:
    """Print a code; what was accepted is bold, so that the difference needs no colour."""
    return f"**{code}**" if code < 400 else str(code)


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"

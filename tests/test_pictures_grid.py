"""The grid of decisions says each answer once, and hides none."""

from __future__ import annotations

from itertools import product

from lab.pictures.grid import Question, decision_grid

CLIENTS = ("127.0.0.2", "127.0.0.9")
CERTIFICATES = ("clear", "none", "alice", "stranger")
RECIPIENTS = ("alice@lab.example", "someone@partner.example")


def answers(name: str, accepted: set[tuple[str, str]]) -> dict[Question, int]:
    """Answers of a server that takes local mail, and relays for those who are named."""
    asked = [Question(name, *each) for each in product(CLIENTS, CERTIFICATES, RECIPIENTS)]
    return {
        each: 250
        if each.recipient == RECIPIENTS[0] or (each.client, each.certificate) in accepted
        else 550
        for each in asked
    }


def rows(text: str) -> list[list[str]]:
    """Cells of the rows below the head."""
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()[2:]]


def says(cell: str, certificate: str) -> bool:
    """Whether a cell stands for a certificate."""
    if cell.startswith("all but "):
        return certificate != cell.removeprefix("all but ")
    return cell == "any" or certificate in cell.split(", ")


def test_those_answered_alike_share_a_row() -> None:
    """A map that lets nobody relay is one row."""
    assert rows(decision_grid(answers("closed", set()))) == [
        ["closed", "any", "any", "**250**", "550"]
    ]


def test_a_certificate_makes_a_row() -> None:
    """What depends on the certificate alone is a row for any client."""
    accepted = {(client, "alice") for client in CLIENTS}
    assert rows(decision_grid(answers("by name", accepted))) == [
        ["by name", "any", "all but alice", "**250**", "550"],
        ["by name", "any", "alice", "**250**", "**250**"],
    ]


def test_a_client_makes_a_row() -> None:
    """What depends on the client alone is a row for any certificate."""
    accepted = {("127.0.0.2", certificate) for certificate in CERTIFICATES}
    assert rows(decision_grid(answers("by address", accepted))) == [
        ["by address", "127.0.0.2", "any", "**250**", "**250**"],
        ["by address", "127.0.0.9", "any", "**250**", "550"],
    ]


def test_both_make_rows_of_their_own() -> None:
    """Every question is found in exactly one row, with its answer."""
    found = answers(
        "both", {("127.0.0.2", each) for each in CERTIFICATES} | {("127.0.0.9", "alice")}
    )
    table = rows(decision_grid(found))
    for question, code in found.items():
        fitting = [
            row
            for row in table
            if (row[1] == "any" or question.client in row[1].split(", "))
            and says(row[2], question.certificate)
        ]
        assert len(fitting) == 1
        assert fitting[0][3 + RECIPIENTS.index(question.recipient)].strip("*") == str(code)


def test_several_maps_stand_below_each_other() -> None:
    """In the order in which they were asked, under one head."""
    text = decision_grid(
        answers("closed", set()) | answers("open", {*product(CLIENTS, CERTIFICATES)})
    )
    head = "| map | client | certificate | alice@lab | someone@partner |"
    assert text.splitlines()[0] == head
    assert [row[0] for row in rows(text)] == ["closed", "open"]

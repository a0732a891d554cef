"""Rosters: who is in a class, and their passwords."""

from __future__ import annotations

import pytest

from lab.classroom import roster
from lab.classroom.roster import Person
from lab.classroom.settings import Trainee
from lab.errors import LabError


def test_a_count_gives_numbered_trainees() -> None:
    """A larger count begins with the same ones, so a class can grow."""
    few, many = roster.numbered(3), roster.numbered(120)
    assert [each.name for each in few] == ["trainee01", "trainee02", "trainee03"]
    assert many[:3] == few
    assert many[-1].name == "trainee120"


def test_a_roster_is_read_with_its_extras() -> None:
    """A head, blank lines, comments, quotes, a byte order mark: as spreadsheets and people write it."""
    text = (
        '\ufeffname,full name\n\n# the first row\nada,Ada Lovelace\ngrace, "Hopper, Grace"\nlin\n'
    )
    assert roster.read(text, "people.csv") == [
        Person("ada", "Ada Lovelace"),
        Person("grace", "Hopper, Grace"),
        Person("lin", ""),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ada,Ada\nAda L,x\n", "people.csv:2: 'Ada L' is no login"),
        ("ada,Ada\n\nada,Other\n", "people.csv:3: ada is in line 1, too"),
        ("ada,Ada,extra\n", "people.csv:1: 3 columns"),
        ("instructor,Me\n", "people.csv:1: 'instructor' is no login for a trainee"),
        ("root,Me\n", "people.csv:1: 'root' is no login for a trainee"),
        ("../ada,Ada\n", "people.csv:1: '../ada' is no login"),
        ("ada,\x1b[31mAda\n", "people.csv:1: the full name of ada"),
        ('ada,"Ada\n', "people.csv:1: unexpected end of data"),
        ("\n# nobody\n", "people.csv: nobody is in it"),
    ],
)
def test_errors_name_file_and_line(text: str, said: str) -> None:
    """Whoever wrote the file finds the place."""
    with pytest.raises(LabError) as caught:
        roster.read(text, "people.csv", ["instructor"])
    assert caught.value.message.startswith(said)
    assert caught.value.next_step


def test_passwords_are_long_and_differ() -> None:
    """12 letters of an alphabet without look-alikes."""
    words = {roster.password() for _ in range(50)}
    assert len(words) == 50
    assert all(set(word) - {"-"} <= set(roster.LETTERS) for word in words)
    assert all(len(word.replace("-", "")) == 12 for word in words)


def test_a_hash_knows_its_password_and_no_other() -> None:
    """Two hashes of one password differ by their salt, and the password is not in them."""
    one, two = roster.hashed("k7mq-22xn-hd9e"), roster.hashed("k7mq-22xn-hd9e")
    assert one != two
    assert "k7mq" not in one
    assert roster.matches("k7mq-22xn-hd9e", one)
    assert not roster.matches("k7mq-22xn-hd9f", one)
    assert not roster.matches("", one)


def test_enrolling_again_keeps_numbers_and_passwords() -> None:
    """Numbers are uids and addresses: nobody's may change, whatever the order of a new roster."""
    first = roster.enrolled((), [Person("ada"), Person("lin", "Lin")], {"ada": "A", "lin": "L"})
    again = roster.enrolled(
        first, [Person("grace"), Person("lin"), Person("ada", "Ada Lovelace")], {"grace": "G"}
    )
    assert again == (
        Trainee("ada", "Ada Lovelace", 1, "A"),
        Trainee("lin", "Lin", 2, "L"),
        Trainee("grace", "", 3, "G"),
    )


def test_the_table_of_passwords_is_read_as_it_was_written() -> None:
    """Names with commas and quotes included."""
    rows = [("instructor", "Instructor", "a-b"), ("ada", 'Lovelace, "Ada"', "c-d")]
    assert roster.rows(roster.table(rows)) == rows

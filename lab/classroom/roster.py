"""Who is in a class: from a count or a roster file, with passwords made here and kept as scrypt hashes. Pure."""

from __future__ import annotations

import base64
import csv
import hashlib
import hmac
import io
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lab.classroom.protocol import TRAINEE
from lab.classroom.settings import Trainee
from lab.errors import LabError

LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
"""Of passwords: none that is taken for another when read aloud or off paper."""
PASSWORD = 4, 4, 4
"""Letters of each group: 59 bits together, which no one guesses over a network."""
COST = 14, 8, 1
"""scrypt: log2 of n, r, p (RFC 7914); 16 MiB and about 50 ms a guess."""
NAMES = "class", "class-ends", "root"
"""Taken by folders of the class and by the system."""
FORM = "a line each: login, full name; e.g. ada,Ada Lovelace"


@dataclass(frozen=True, slots=True)
class Person:
    """One who takes part: login and full name, which may be empty."""

    name: str
    full_name: str = ""


def numbered(count: int) -> list[Person]:
    """trainee01, trainee02, and so on."""
    return [Person(f"trainee{number:02}", f"Trainee {number}") for number in range(1, count + 1)]


def read(text: str, file: str, taken: Iterable[str] = ()) -> list[Person]:
    """The people of a roster file, in CSV. Raises `LabError` naming file and line of what is wrong.

    A first line ``name, full name``, blank lines and lines that begin with ``#`` are passed over. `taken` are
    logins that a trainee cannot have.
    """
    people: dict[str, int] = {}
    found: list[Person] = []
    rows = csv.reader(io.StringIO(text.removeprefix("\ufeff")), skipinitialspace=True, strict=True)
    try:
        for row in rows:
            cells = [cell.strip() for cell in row]
            if not any(cells) or cells[0].startswith("#"):
                continue
            if not found and cells[0].lower() in ("name", "login"):
                continue
            where = f"{file}:{rows.line_num}"
            if len(cells) > 2:
                raise LabError(f"{where}: {len(cells)} columns, where two are wanted", FORM)
            name, full_name = cells[0], (cells[1] if len(cells) > 1 else "")
            _check(name, full_name, where)
            if name in people:
                raise LabError(
                    f"{where}: {name} is in line {people[name]}, too", "give each a login"
                )
            if name in (*NAMES, *taken):
                raise LabError(
                    f"{where}: {name!r} is no login for a trainee", "choose another login"
                )
            people[name] = rows.line_num
            found.append(Person(name, full_name))
    except csv.Error as error:
        raise LabError(f"{file}:{rows.line_num}: {error}", FORM) from error
    if not found:
        raise LabError(f"{file}: nobody is in it", FORM)
    return found


def _check(name: str, full_name: str, where: str) -> None:
    if not TRAINEE.fullmatch(name):
        raise LabError(
            f"{where}: {name!r} is no login",
            "use up to 31 small letters, digits and hyphens, the first no hyphen",
        )
    if len(full_name) > 80 or not (full_name.isprintable()):
        raise LabError(
            f"{where}: the full name of {name} has over 80 letters, or strange ones", FORM
        )


def password() -> str:
    """A new password, such as ``k7mq-22xn-hd9e``."""
    return "-".join("".join(secrets.choice(LETTERS) for _ in range(n)) for n in PASSWORD)


def hashed(word: str) -> str:
    """The password's scrypt hash with its own salt, as class.json keeps it: ``scrypt$14$8$1$SALT$HASH``."""
    salt = secrets.token_bytes(16)
    return "$".join(["scrypt", *map(str, COST), _text(salt), _text(_scrypt(word, salt, *COST))])


def matches(word: str, kept: str) -> bool:
    """Is it the password of that hash? Takes as long for a wrong one as for the right one."""
    _, cost, r, p, salt, digest = kept.split("$")
    found = _scrypt(word, base64.b64decode(salt), int(cost), int(r), int(p))
    return hmac.compare_digest(found, base64.b64decode(digest))


def enrolled(
    old: Sequence[Trainee], people: Iterable[Person], hashes: Mapping[str, str]
) -> tuple[Trainee, ...]:
    """The old trainees with their numbers and hashes, and behind them those of `people` who are new."""
    names = {person.name: person.full_name for person in people}
    kept = [
        Trainee(each.name, names.get(each.name) or each.full_name, each.number, each.scrypt)
        for each in old
    ]
    last = max((each.number for each in old), default=0)
    new = [name for name in names if name not in {each.name for each in old}]
    added = [
        Trainee(name, names[name], number, hashes[name])
        for number, name in enumerate(new, last + 1)
    ]
    return (*kept, *added)


def table(rows: Iterable[tuple[str, str, str]]) -> str:
    """passwords.csv: login, full name and password of each."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("login", "full name", "password"))
    writer.writerows(rows)
    return out.getvalue()


def rows(text: str) -> list[tuple[str, str, str]]:
    """What `table` wrote."""
    return [(row[0], row[1], row[2]) for row in csv.reader(io.StringIO(text)) if len(row) == 3][1:]


def _scrypt(word: str, salt: bytes, cost: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(word.encode(), salt=salt, n=1 << cost, r=r, p=p, dklen=32)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()

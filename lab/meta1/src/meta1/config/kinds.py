"""The kinds of values an option can have: how each is read, checked, shown and described.

A kind never touches the system: whether a file exists or a user is known is asked elsewhere.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeAlias, TypeVar

from meta1.config.errors import nearest
from meta1.config.parse import Value

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address


class BadValue(Exception):
    """A value is not of its kind; ``which`` is its index among the values given."""

    def __init__(self, expected: str, which: int = 0, near: str = "") -> None:
        self.expected, self.which, self.near = expected, which, near
        super().__init__(expected)


class ValueKind(Protocol[T_co]):
    """Reads the values of one setting; raises BadValue."""

    @property
    def expected(self) -> str:
        """What a person should write, as a fault and the manual page say it."""

    def read(self, values: Sequence[Value], is_list: bool) -> T_co:
        """The typed value of a setting."""

    def show(self, value: object) -> str:
        """The value as one would write it in the file."""


class Single(Generic[T]):
    """A kind of exactly one value."""

    __slots__ = ()

    @property
    def expected(self) -> str:
        """See ValueKind."""
        raise NotImplementedError

    def read(self, values: Sequence[Value], is_list: bool) -> T:
        """See ValueKind."""
        if len(values) != 1:
            raise BadValue(f"one value: {self.expected}", which=1 if len(values) > 1 else 0)
        return self.one(values[0].text)

    def one(self, text: str) -> T:
        """The typed value of one word or string; raises BadValue."""
        raise NotImplementedError

    def show(self, value: object) -> str:
        """See ValueKind."""
        return quote(str(value))


@dataclass(frozen=True, slots=True)
class Integer(Single[int]):
    """A whole number within bounds, without unit."""

    low: int = 0
    high: int = 2**31 - 1

    @property
    def expected(self) -> str:
        return f"a number from {self.low} to {self.high}"

    def one(self, text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,18}", text) or not self.low <= int(text) <= self.high:
            raise BadValue(self.expected)
        return int(text)


_SECONDS = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}


@dataclass(frozen=True, slots=True)
class Seconds(Single[float]):
    """A time such as ``5m3s``; a bare number means seconds."""

    low: float = 0
    high: float = 10 * 365 * 86400

    @property
    def expected(self) -> str:
        return f"a time such as 5m3s, from {show_time(self.low)} to {show_time(self.high)}"

    def one(self, text: str) -> float:
        if re.fullmatch(r"[0-9]{1,12}", text):
            return self._bounded(int(text))
        parts = re.findall(r"([0-9]{1,12})([wdhms])", text.lower())
        units = [unit for _, unit in parts]
        if not parts or "".join(a + b for a, b in parts) != text.lower():
            raise BadValue(self.expected)
        if len(set(units)) != len(units):
            raise BadValue(self.expected)
        return self._bounded(sum(int(count) * _SECONDS[unit] for count, unit in parts))

    def _bounded(self, seconds: int) -> float:
        if not self.low <= seconds <= self.high:
            raise BadValue(self.expected)
        return float(seconds)

    def show(self, value: object) -> str:
        assert isinstance(value, float | int)
        return show_time(value)


_BYTES = {"": 1, "b": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


@dataclass(frozen=True, slots=True)
class Bytes(Single[int]):
    """A size such as ``64M``; units are powers of 1024, a bare number means bytes."""

    low: int = 0
    high: int = 2**50

    @property
    def expected(self) -> str:
        return f"a size such as 64M, from {show_size(self.low)} to {show_size(self.high)}"

    def one(self, text: str) -> int:
        match = re.fullmatch(r"([0-9]{1,18})(|b|[kmgt]b?)", text.lower())
        if not match:
            raise BadValue(self.expected)
        size = int(match[1]) * _BYTES[match[2][:1]]
        if not self.low <= size <= self.high:
            raise BadValue(self.expected)
        return size

    def show(self, value: object) -> str:
        assert isinstance(value, int)
        return show_size(value)


@dataclass(frozen=True, slots=True)
class Text(Single[str]):
    """A word or string that matches a pattern; control characters never do."""

    pattern: str = r"[^\x00-\x1f\x7f]+"
    expected_text: str = "a text that is not empty"
    longest: int = 1024

    @property
    def expected(self) -> str:
        return self.expected_text

    def one(self, text: str) -> str:
        if len(text) > self.longest or not re.fullmatch(self.pattern, text):
            raise BadValue(self.expected)
        return text


PATH = Text(expected_text="the path of a file")
USER = Text(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}", "the name of a user")
NAME = Text(r"[A-Za-z_][A-Za-z0-9_-]{0,31}", "a name of letters, digits, _ and -")
DOMAIN = Text(
    r"(?i)(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
    r"(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*",
    "a domain name",
    253,
)


@dataclass(frozen=True, slots=True)
class Choice(Single[str]):
    """One of a few words, in any case."""

    words: tuple[str, ...]

    @property
    def expected(self) -> str:
        return one_of(self.words)

    def one(self, text: str) -> str:
        known = {word.lower(): word for word in self.words}
        if text.lower() not in known:
            raise BadValue(self.expected, near=nearest(text, self.words))
        return known[text.lower()]


@dataclass(frozen=True, slots=True)
class IpAddress(Single[Address]):
    """An IPv4 or IPv6 address."""

    expected = "an IPv4 or IPv6 address"

    def one(self, text: str) -> Address:
        try:
            return ipaddress.ip_address(text)
        except ValueError:
            raise BadValue(self.expected) from None


def one_of(words: Iterable[str]) -> str:
    """``a, b or c``."""
    *most, last = words
    return f"{', '.join(most)} or {last}" if most else last


def show_list(shown: Iterable[str]) -> str:
    """``{a, b}``; ``{}`` for none."""
    return "{" + ", ".join(shown) + "}"


def show_time(seconds: float) -> str:
    """The shortest spelling: 363 is ``6m3s``."""
    rest, text = int(seconds), ""
    for unit, length in _SECONDS.items():
        count, rest = divmod(rest, length)
        text += f"{count}{unit}" if count else ""
    return text or "0"


def show_size(size: int) -> str:
    """The shortest exact spelling: 67108864 is ``64M``."""
    for unit in "tgmk":
        if size and size % _BYTES[unit] == 0:
            return f"{size // _BYTES[unit]}{unit.upper()}"
    return str(size)


def quote(text: str) -> str:
    """The text as a bare word where that reads back the same, else as a string."""
    if re.fullmatch(r"[A-Za-z0-9_./:@+-]+", text):
        return text
    return f'"{escape(text)}"'


def escape(text: str) -> str:
    """Escapes for what may not stand as it is inside a quoted string."""
    text = text.replace("\\", "\\\\").replace('"', '\\"')
    return "".join(each if each >= " " else f"\\{ord(each):03o}" for each in text)

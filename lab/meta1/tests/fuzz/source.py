"""Where a target takes its decisions from: a seed, or the bytes of another fuzzer."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise
from typing import Protocol, TypeVar

T = TypeVar("T")


class Numbers(Protocol):
    """Gives numbers from 0 to below a limit."""

    def below(self, limit: int) -> int:
        """The next number."""


class Seeded:
    """Numbers from a seed: as many as anybody wants."""

    def __init__(self, seed: int, run: int) -> None:
        """Begin one run; the same seed and run give the same numbers."""
        self._random = random.Random(seed << 40 | run).random

    def below(self, limit: int) -> int:
        """The next number."""
        return int(self._random() * limit)


class FromBytes:
    """Numbers from bytes that somebody else chooses; behind their end all numbers are 0."""

    def __init__(self, data: bytes) -> None:
        """Use these bytes."""
        self._data = data
        self._position = 0

    def below(self, limit: int) -> int:
        """The next number, from as many bytes as the limit needs."""
        width = (max(limit - 1, 1).bit_length() + 7) // 8
        piece = self._data[self._position : self._position + width]
        self._position += width
        return int.from_bytes(piece, "big") % limit


class Source:
    """The decisions of one run."""

    def __init__(self, numbers: Numbers) -> None:
        """Take them from there."""
        self.below = numbers.below

    def chance(self, one_in: int) -> bool:
        """Say yes once in so many times."""
        return self.below(one_in) == 0

    def choose(self, options: Sequence[T]) -> T:
        """Pick one."""
        return options[self.below(len(options))]

    def noise(self, length: int) -> bytes:
        """Bytes without any meaning."""
        return bytes([self.below(256) for _ in range(length)])

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """The same in another order."""
        rest = list(items)
        return [rest.pop(self.below(len(rest))) for _ in range(len(rest))]

    def cut(self, data: bytes, most: int = 8) -> list[bytes]:
        """Cut bytes at some places."""
        places = {self.below(len(data) + 1) for _ in range(self.below(most + 1))}
        edges = sorted({0, len(data), *places})
        return [data[a:b] for a, b in pairwise(edges)]

    def damaged(self, data: bytes, interesting: Sequence[bytes] = ()) -> bytes:
        """Change, repeat, remove or add a few bytes; `interesting` ones are put in more often."""
        for _ in range(1 + self.below(3)):
            at = self.below(len(data) + 1)
            size = min(1 << self.below(8), len(data) - at)
            match self.below(7):
                case 0 if interesting:
                    data = data[:at] + self.choose(interesting) + data[at:]
                case 1 if interesting:
                    piece = self.choose(interesting)
                    data = data[:at] + piece + data[at + len(piece) :]
                case 2:
                    data = data[:at] + data[at + size :]
                case 3:
                    data = data[:at] + data[at : at + size] + data[at:]
                case 4:
                    data = data[:at] + self.noise(1 + self.below(4)) + data[at:]
                case 5 if at < len(data):
                    flipped = data[at] ^ (1 << self.below(8))
                    data = data[:at] + bytes([flipped]) + data[at + 1 :]
                case _:
                    other = self.below(len(data) + 1)
                    data = data[:at] + data[other : other + size] + data[at + size :]
        return data

"""The map type `sequence`: several maps, of which the first that knows a key answers."""

from __future__ import annotations

from meta1.maps.base import NOT_FOUND, Answer, Map, Status


class SequenceMap:
    """Asks its maps in order; one that fails ends the search, for it might have known."""

    def __init__(self, name: str, maps: tuple[Map, ...]) -> None:
        """Use these maps, which belong to somebody else."""
        self.name = name
        self._maps = maps

    async def lookup(self, key: str) -> Answer:
        """Give the first answer that ends the search."""
        for one in self._maps:
            answer = await one.lookup(key)
            if answer.status is not Status.NOT_FOUND:
                return answer
        return NOT_FOUND

    def close(self) -> None:
        """The maps are closed by their owner."""

"""The maps of one configuration, by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from meta1.config import Map as MapSection
from meta1.config import Smar
from meta1.maps.base import Map
from meta1.maps.hashmap import HashMap
from meta1.maps.passwd import PasswdMap
from meta1.maps.sequence import SequenceMap
from meta1.maps.socketmap import Place, SocketMap


class Registry:
    """Builds each map once, when it is first wanted; the configuration has been checked."""

    def __init__(self, section: Smar, directory: Path) -> None:
        """Take the declarations; relative file names begin at `directory`."""
        self._sections = {one.label: one for one in section.map}
        self._directory = directory
        self._maps: dict[str, Map] = {}

    def find(self, name: str | None, default_file: str) -> Map:
        """The map of that name; without a name the default file, which need not exist."""
        if name is None:
            if default_file not in self._maps:
                path = self._directory / default_file
                self._maps[default_file] = HashMap(default_file, path, optional=True)
            return self._maps[default_file]
        return self.named(name)

    def named(self, name: str) -> Map:
        """A declared map."""
        if name not in self._maps:
            section = self._sections[name]
            self._maps[name] = _MAKERS[section.type](self, section)
        return self._maps[name]

    def close(self) -> None:
        """Close all."""
        for one in self._maps.values():
            one.close()

    def _hash(self, section: MapSection) -> Map:
        """A Berkeley DB file."""
        return HashMap(section.label, self._directory / (section.file or f"{section.label}.db"))

    def _passwd(self, section: MapSection) -> Map:
        """The users of the system."""
        return PasswdMap(section.label)

    def _socket(self, section: MapSection) -> Map:
        """A socket map."""
        place = Place(section.path or "", str(section.address or ""), section.port or 0)
        return SocketMap(section.label, place, section.mapname or section.label, section.timeout)

    def _sequence(self, section: MapSection) -> Map:
        """Maps one after the other."""
        return SequenceMap(section.label, tuple(self.named(one) for one in section.maps))


_MAKERS: Final[dict[str, Callable[[Registry, MapSection], Map]]] = {
    "hash": Registry._hash,
    "passwd": Registry._passwd,
    "socket": Registry._socket,
    "sequence": Registry._sequence,
}

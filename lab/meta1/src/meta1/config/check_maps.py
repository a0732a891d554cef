"""Rules between the maps of ``smar`` and those who use them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from meta1.config.errors import Fault, Place, nearest
from meta1.config.sections.root import Config
from meta1.config.sections.smar import Map

_MAP_NEEDS: dict[str, tuple[str, ...]] = {
    "hash": ("file",), "passwd": (), "socket": ("mapname",), "sequence": ("maps",),
}  # fmt: skip


def check_maps(config: Config) -> Iterator[Fault]:
    """Each map has what its type needs; each name in use is that of a map."""
    smar = config.smar
    names = [each.label for each in smar.map]
    for each in smar.map:
        for needed in _MAP_NEEDS[each.type]:
            if not getattr(each, needed):
                yield Fault(each.where("type"), f"map {each.label} has no {needed}", needed)
        if each.type == "socket" and bool(each.path) == bool(each.address and each.port):
            yield Fault(each.where("type"), f"map {each.label}", "path, or address and port")
        for part in each.maps:
            if part not in names:
                yield _no_map(each.where("maps"), part, names)
    yield from _loops(smar.map)
    for section in (smar.aliases, smar.local_user_map, smar.access, smar.mailertable):
        if section is None:
            continue
        if not section.name:
            yield Fault(section.where(""), "no map is named", "name = MAP;")
        elif section.name not in names:
            yield _no_map(section.where("name"), section.name, names)


def _no_map(place: Place, name: str, names: Sequence[str]) -> Fault:
    return Fault(place, f"there is no map '{name}'", "a name of a map", nearest(name, names))


def _loops(maps: Sequence[Map]) -> Iterator[Fault]:
    """A sequence that leads back to itself would never answer."""
    parts = {each.label: each.maps for each in maps}
    for each in maps:
        seen: set[str] = set()
        ahead = list(each.maps)
        while ahead:
            name = ahead.pop()
            if name not in seen:
                seen.add(name)
                ahead += parts.get(name, ())
        if each.label in seen:
            yield Fault(each.where("maps"), f"map {each.label} is a part of itself")

"""Show a configuration as a file one could use, with every default marked as such."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from meta1.config.schema import Section, SubSection, options_of, sections_of


def show(section: Section, keyword: str = "", everything: bool = True) -> str:
    """The section as text; without ``everything`` only what the file sets."""
    return "\n".join(_section(section, keyword, everything)) + "\n"


def _section(section: Section, keyword: str, everything: bool) -> Iterator[str]:
    inside = [*_options(section, everything), *_sections(section, everything)]
    if not keyword:
        yield from inside
        return
    yield f"{keyword} {section.label} {{" if section.label else f"{keyword} {{"
    yield from (f"    {line}" if line else line for line in inside)
    yield "}"


def _options(section: Section, everything: bool) -> Iterator[str]:
    for each in options_of(type(section)):
        is_set = section.is_set(each.attribute)
        if not (everything or is_set):
            continue
        value = each.kind.show(getattr(section, each.attribute))
        if value.startswith("# "):
            yield f"# {each.spelling}: {value.removeprefix('# ')}"
            continue
        line = f"{each.spelling} = {value};"
        yield line if is_set else f"{line:<44} # default"


def _sections(section: Section, everything: bool) -> Iterator[str]:
    for declared in sections_of(type(section)):
        for each in _present(section, declared, everything):
            yield ""
            yield from _section(each, declared.keyword, everything)


def _present(section: Section, declared: SubSection, everything: bool) -> Sequence[Section]:
    found = getattr(section, declared.attribute)
    if isinstance(found, tuple):
        return found
    shown = found is not None and (everything or section.is_set(declared.attribute))
    return (found,) if shown else ()

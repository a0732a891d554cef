"""A bibliography style whose labels say what the source is: `RFC 5321`, not `Klensin, 2008`.

The label is the field `shorthand` of the entry in references.bib.
"""

# mypy: disable-error-code="import-untyped"

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pybtex.database import Entry
from pybtex.plugin import register_plugin
from pybtex.style.formatting.unsrt import Style as UnsortedStyle
from pybtex.style.labels import BaseLabelStyle
from pybtex.style.sorting import BaseSortingStyle
from sphinx.application import Sphinx


def label_of(entry: Entry) -> str:
    """Give the label of one source; without a shorthand its key must do."""
    return str(entry.fields.get("shorthand", entry.key))


class ShorthandLabels(BaseLabelStyle):  # type: ignore[misc]  # pybtex has no types
    """Label each source by its shorthand."""

    def format_labels(self, sorted_entries: Iterable[Entry]) -> Iterator[str]:
        """Give the labels in the order of the entries."""
        return map(label_of, sorted_entries)


class ByShorthand(BaseSortingStyle):  # type: ignore[misc]
    """Sort sources as a reader looks for them; RFCs of different length stand in numeric order."""

    def sorting_key(self, entry: Entry) -> tuple[bool, str]:
        """Put MeTA1's own documents first, then the standards."""
        label = label_of(entry)
        return label.startswith("RFC"), label.lower()


class LabStyle(UnsortedStyle):  # type: ignore[misc]
    """The style named `lab` in the bibliography directive."""

    default_label_style = ShorthandLabels
    default_sorting_style = ByShorthand


def setup(_app: Sphinx) -> None:
    """Make the style known to pybtex."""
    register_plugin("pybtex.style.formatting", "lab", LabStyle)

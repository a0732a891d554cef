"""A badge as people know them from the top of a README: a label and what it says, as SVG of its own."""

from __future__ import annotations

from html import escape

PER_LETTER = 6.6
"""Width of an average letter at 11 units; a little room to spare is better than a word cut off."""
GOOD, BAD = "#1d6b3a", "#a4262c"


def badge(label: str, said: str, good: bool) -> str:
    """Draw it; the words are its text alternative, too."""
    left, right = (round(len(words) * PER_LETTER) + 14 for words in (label, said))
    words = escape(f"{label}: {said}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img" aria-label="{words}">'
        f"<title>{words}</title>"
        f'<rect width="{left + right}" height="20" rx="3" fill="{GOOD if good else BAD}"/>'
        f'<path d="M3 0h{left - 3}v20H3a3 3 0 0 1-3-3V3a3 3 0 0 1 3-3z" fill="#3b444c"/>'
        '<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle">'
        f'<text x="{left / 2:g}" y="14">{escape(label)}</text>'
        f'<text x="{left + right / 2:g}" y="14">{escape(said)}</text></g></svg>\n'
    )

"""What all pictures share: Graphviz as the one who draws, and words for those who do not see them."""

from __future__ import annotations

import shutil
import subprocess
from html import escape

from lab.errors import LabError

# No fixed background, and a grey that reads on white and on black: the book has both.
NODES = """\
  node [shape="box", style="filled", fillcolor="#ffffff", color="#767676", fontname="sans-serif"];
"""


def drawn(dot: str, label: str, otherwise: str = "") -> str:
    """Draw Graphviz's language as SVG; `otherwise` says how a host without the program can go on."""
    if shutil.which("dot") is None:
        raise LabError(
            "the program dot, which draws the picture, is not on this host",
            f"apt-get install graphviz{otherwise}",
        )
    done = subprocess.run(
        ["dot", "-Tsvg"], input=dot, capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode != 0:
        raise LabError(f"dot failed: {done.stderr.strip()}", "try it by hand: dot -V")
    return described(done.stdout, label)


def described(text: str, label: str) -> str:
    """Cut what stands before the picture, such as a program's version, and say in words what it shows."""
    svg = text[text.index("<svg") :]
    return svg.replace("<svg", f'<svg role="img" aria-label="{escape(label)}"', 1)

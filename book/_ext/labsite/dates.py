"""The date of the site is that of its last commit, so that the same commit gives the same bytes on any day."""

from __future__ import annotations

import os
import subprocess

from sphinx.application import Sphinx
from sphinx.config import Config

EPOCH = "SOURCE_DATE_EPOCH"
"""What Sphinx and others take for now, where it is set: https://reproducible-builds.org/specs/source-date-epoch/"""


def stand_still(app: Sphinx, _config: Config) -> None:
    """Set the clock, unless somebody has set it; without git, such as in an archive, it goes on."""
    asked = ["git", "-C", str(app.srcdir), "log", "-1", "--format=%ct"]
    try:
        told = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return
    os.environ.setdefault(EPOCH, told)


def setup(app: Sphinx) -> None:
    """Before anything asks what day it is."""
    app.connect("config-inited", stand_still, priority=100)

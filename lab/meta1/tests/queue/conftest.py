"""Make `world` importable; log only what must not happen."""

from __future__ import annotations

import sys
from pathlib import Path

from meta1 import maillog

sys.path.insert(0, str(Path(__file__).parent))

maillog.open_log("test", 0, None)

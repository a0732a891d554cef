"""Python starts with this where it is on PYTHONPATH, as in `make serve`: it leaves out half of what a build loads.

jsonschema loads rfc3987_syntax, where it is installed, to check addresses of web pages in JSON, and that compiles
grammars for over a second. No notebook has such an address to check; jsonschema takes a missing module calmly.
"""

import sys

sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]

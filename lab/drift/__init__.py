"""The drift check: do the notebooks still print on a real machine what their pages show?

The committed outputs are the truth. `run` executes copies of the notebooks (`execute`), takes from
both sides what changes with every run (`normalise`, by the rules of `rules.yml`), compares cell by
cell (`compare`) and tells (`report`). Nothing is imported here, so that a run with nothing to do
stays quick.
"""

import sys

# JupyterLab brings a package along with which jsonschema, and so nbformat, takes 1.7 s to load and
# not 0.2: it compiles a grammar of internationalised URLs, a format no notebook's schema has.
# To jsonschema this is as if the package were not there.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]

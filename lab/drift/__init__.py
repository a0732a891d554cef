"""The drift check: do the notebooks still print on a real machine what their pages show?

The committed outputs are the truth. `run` executes copies of the notebooks (`execute`), takes from
both sides what changes with every run (`normalise`, by the rules of `rules.yml`), compares cell by
cell (`compare`) and tells (`report`). Nothing is imported here, so that a run with nothing to do
stays quick.
"""

"""Hostile input: targets that are fed what nobody should send, and what must hold all the same.

`python3 -m fuzz` runs them (`table.py` lists all), `lab bench fuzz` does so on a lab machine.
Every decision of a run comes from a `Source`, so that a seed and a number repeat it.
"""

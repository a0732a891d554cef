"""Everything that the tutorial needs, in one folder: for a room of computers without a net."""

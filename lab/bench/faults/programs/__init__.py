"""Programs that run on the machine, by its own Python; nothing here imports them but their tables."""

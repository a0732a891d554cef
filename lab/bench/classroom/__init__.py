"""A class under full load: each trainee logs in, starts a server, and does the whole tutorial in it."""

"""The sections of meta1.conf, one file a module: the table of all options."""

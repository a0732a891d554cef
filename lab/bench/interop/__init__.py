"""MeTA1 with programs that nobody here wrote: clients, mail servers before and behind it, readers of mailboxes."""

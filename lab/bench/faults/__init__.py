"""Faults under load: what is done to a machine with MeTA1, and the ledger that judges what became of its mail.

ledger     pure: every 250 and every delivery, and what they say together
load       senders on this host; what they were told is kept here, where no fault of the machine reaches
ground     the machine: MeTA1 on it, its processes, its mailboxes, its log
servers    a destination and a name server of our own that misbehave as they are told
disk       a small file system for the queue, to be filled and to be broken
strikes    the table of faults: how each is made, and how it is undone
series     many faults of one kind under one load, and the account of it
report     what was found, as tables that are stored
"""

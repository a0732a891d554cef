"""Programs for people: createmap, mailq, qmgrctl."""

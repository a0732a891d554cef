"""Maps: what smar looks things up in; one kind a file, all with the same three answers."""

"""Tests of the drift check; a package, so that its modules may have names others have too."""

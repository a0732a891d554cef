#!/bin/sh
# On the machine: keep what comes on standard input in a new file of a folder.
exec cat > "$(mktemp "$1/XXXXXXXX")"

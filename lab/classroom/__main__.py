"""Run the programs of a class in the foreground: what `lab class up` starts, and what systemd may start instead."""

from lab.classroom.supervisor import main

main()

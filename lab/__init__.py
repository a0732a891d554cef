"""Make a lab machine, drive it over SSH, and check what it does: what the book's notebooks import."""

import lab.check as check
from lab.chapters import exercise
from lab.host import Host
from lab.lab import Lab
from lab.notebook import register as _register
from lab.result import Result
from lab.show import show

__all__ = ["Host", "Lab", "Result", "check", "exercise", "show"]

_register()

"""Chapter 5: MeTA1 configured, built and checked, all by a user who may do nothing else."""

from lab import check
from lab.chapters import Check
from lab.host import Host


def _is_configured(vm: Host) -> None:
    """With TLS and SASL, for the place where the tutorial expects it."""
    found = vm.run("cd meta1-*/ && cat misc/_build.py Makefile", check=False).stdout
    for line in ("tls = True", "sasl = True", "libexecdir = /usr/local/libexec"):
        check.true(line, line in found.splitlines(), "cd ~/meta1-*/ && ./configure")


def _is_built(vm: Host) -> None:
    """Nothing is left to be made, and mcp and its four modules are there."""
    done = vm.run("cd meta1-*/ && make --question build/stamp", check=False)
    check.true("make has nothing left to do", done.ok)
    found = str(vm.run("cd meta1-*/build/bin && ls", check=False)).split()
    check.true("the modules", {"mcp", "smtps", "smtpc", "qmgr", "smar"} <= set(found))


def _root_was_not_here(vm: Host) -> None:
    found = str(vm.run("find meta1-*/ -printf '%u:%g\\n' | sort -u", check=False))
    check.equal("owners of the tree", found, "lab:lab")


def _checks_have_passed(vm: Host) -> None:
    """Each process of `make check` has left a log with pytest's last line; none speaks of a failure."""
    last = vm.run("cd meta1-*/build/check && tail --quiet --lines 1 *.log", check=False).lines
    done = [line for line in last if " passed" in line or " deselected" in line]
    check.true(
        "make check has run to its end", last and done == last, "cd ~/meta1-*/ && make check"
    )
    check.true("nothing has failed", not any(" failed" in one or " error" in one for one in last))


def _second_build(vm: Host) -> None:
    """Another prefix, no SASL; the first tree is what it was."""
    found = vm.run("cd mine && cat misc/_build.py Makefile", check=False).stdout.splitlines()
    check.true("for /opt/meta1", "libexecdir = /opt/meta1/libexec" in found)
    check.true("without AUTH", "sasl = False" in found and "tls = True" in found)
    check.true("built", vm.run("cd mine && make --question build/stamp", check=False).ok)
    _is_configured(vm)


CHECKS = (
    Check(
        "configured with TLS and SASL for /usr/local",
        _is_configured,
        "unpack the tarball, and in its folder ./configure without an option",
    ),
    Check("built", _is_built, "make, in the folder of the tarball"),
    Check(
        "everything belongs to lab",
        _root_was_not_here,
        "rm -r the folder, unpack again, and leave out sudo this time",
    ),
    Check("make check has passed", _checks_have_passed, "make check, and read what it says last"),
)
EXERCISE = ("a second build in ~/mine, for /opt/meta1 and without AUTH", _second_build)

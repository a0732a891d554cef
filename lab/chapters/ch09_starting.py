"""Chapter 9: MeTA1 runs under systemd, each module as its own user and with none of root's powers."""

from lab import check
from lab.chapters import Check
from lab.host import Host

GREETING = "220 mail.lab.example ESMTP MeTA1"
OWNERS = {"mcp": "root", "smtps": "meta1s", "smtpc": "meta1c", "qmgr": "meta1q", "smar": "meta1m"}
UNIT = "/etc/systemd/system/meta1.service"


def _it_stays(vm: Host) -> None:
    """It runs now, and it will after a boot."""
    check.service_runs(vm, "meta1")
    check.says(
        vm, "meta1 starts with the machine", "systemctl is-enabled meta1 2> /dev/null", "enabled"
    )


def _modules_are_children(vm: Host) -> None:
    """All five in the unit, each with its user: not something that was started by hand."""
    for name, owner in OWNERS.items():
        found = vm.run("ps -C %s -o user=,unit=", name, check=False)
        check.equal(f"{name}: user and unit", str(found).split(), [owner, "meta1.service"])


def _no_power_of_root(vm: Host) -> None:
    """No capability at all, and no way to gain one."""
    for name in ("smtps", "smtpc", "qmgr", "smar"):
        command = "grep -hE '^(CapEff|NoNewPrivs)' /proc/$(pgrep -x %s)/status | cut -f2"
        found = vm.run(command, name, check=False)
        check.equal(f"{name}: capabilities, no new ones", str(found).split(), ["0" * 16, "1"])


def _port_is_shared(vm: Host) -> None:
    """The process that serves port 25 is not the one that opened it."""
    inode = str(vm.run("ss -Htlne 'sport = :25' | grep -o 'ino:[0-9]*'", check=False))
    check.true("port 25 is open", inode)
    fds = vm.run("ls -l /proc/$(pgrep -x smtps)/fd", as_user="meta1s", check=False).stdout
    check.true("smtps has its descriptor", f"socket:[{inode.removeprefix('ino:')}]" in fds)


def _restarts_sooner(vm: Host) -> None:
    """In a drop-in; the unit file still says what it said."""
    show = "systemctl show meta1 --value --property "
    check.says(vm, "wait before a restart", f"{show}RestartUSec", "1s")
    check.file_has(vm, UNIT, "RestartSec=5")
    check.says(vm, "the unit is the one that was installed", f"{show}FragmentPath", UNIT)


CHECKS = (
    Check(
        "meta1 runs, and starts with the machine",
        _it_stays,
        "copy meta1.service to /etc/systemd/system; systemctl daemon-reload, then enable --now",
    ),
    Check(
        "port 25 greets",
        lambda vm: check.port_answers(vm, 25, starts_with=GREETING, timeout=5),
        "sudo systemctl status meta1, and the last lines of /var/log/mail.log",
    ),
    Check(
        "each module is its own user, in the unit meta1",
        _modules_are_children,
        "a MeTA1 that was started by mcp.sh is to be stopped first: mcp.sh stop",
    ),
    Check(
        "no module has anything of root's power",
        _no_power_of_root,
        "grep Cap /proc/$(pgrep -x smtps)/status; only mcp may run as root",
    ),
    Check(
        "smtps has the descriptor of port 25",
        _port_is_shared,
        "start_action = pass in section smtps: mcp opens the port and passes it",
    ),
)
EXERCISE = ("mcp is started again after one second, by a drop-in", _restarts_sooner)

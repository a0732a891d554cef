"""Chapter 7: the tutorial's meta1.conf on the machine, its maps beside it, found valid by all modules."""

from lab import check
from lab.chapters import Check
from lab.host import Host

FOLDER = "/etc/meta1"
FILE = f"{FOLDER}/meta1.conf"
MODULES = ("smtps", "smtpc", "qmgr", "smar")
SMALL = "max_message_size = 10M;"


def _valid_for(vm: Host, module: str, file: str = FILE) -> str:
    """What the module would run with; raises `CheckFailed` with its first complaint."""
    command = f"/usr/local/libexec/{module} -f {file} -VVVV"
    asked = vm.run(command, as_user="root", check=False)
    complaint = asked.stderr.partition("\n")[0]
    check.equal(f"{module} finds {file} valid", complaint or asked.code, 0)
    return asked.stdout


def _valid_for_all(vm: Host) -> None:
    for module in MODULES:
        _valid_for(vm, module)


def _order(vm: Host) -> None:
    """Last started first: this order puts what the others ask at the end."""
    content = vm.get(FILE, as_user="root").decode()
    found = [line.split()[0] for line in content.splitlines() if line.endswith(" {")]
    check.equal("order of the sections", [each for each in found if each in MODULES], [*MODULES])


def _server_as_the_tutorial_sets_it(vm: Host) -> None:
    """The settings in effect, not the text: a comment or a default would look the same there."""
    effective = {line.strip() for line in _valid_for(vm, "smtps").splitlines()}
    for line in ("CDB_gid = 262;", "flags = {8bitmime, access};", "start_action = pass;"):
        check.true(f"smtps has {line}", line in effective)


def _our_domain(vm: Host) -> None:
    effective = _valid_for(vm, "smar")
    line = next((each for each in effective.splitlines() if "local_domains = " in each), "")
    check.true("mail for lab.example ends here", "lab.example" in line, f"metaconf {FILE}")


def _our_users(vm: Host) -> None:
    ask = "createmap -q %s %s"
    for name, known in (("alice", True), ("bob", True), ("nobody", False)):
        found = vm.run(ask, name, f"{FOLDER}/users.db", check=False)
        check.equal(f"is {name} a user", found.ok, known)


def _access_map(vm: Host) -> None:
    """There, readable as a map by everybody who may need it, and writable by root only."""
    check.file_is(vm, f"{FOLDER}/access.db", owner="root", mode="0644")
    check.holds(vm, "access.db is a map", f"createmap -d {FOLDER}/access.db")


def _small_messages(vm: Host) -> None:
    """A copy in which the server takes less, and which is valid as a whole."""
    effective = _valid_for(vm, "smtps", f"{FOLDER}/small.conf")
    lines = [line for line in effective.splitlines() if "max_message_size" in line]
    check.equal("max_message_size", [line.split() for line in lines], [SMALL.split()])


CHECKS = (
    Check(
        "meta1.conf is valid for all four modules",
        _valid_for_all,
        "vm.install puts the file there; /usr/local/libexec/smtps -f FILE -VVVV says what is wrong",
    ),
    Check(
        "its sections stand in the tutorial's order",
        _order,
        "smtps, smtpc, qmgr, smar: the last one is started first",
    ),
    Check(
        "the server is set as in the tutorial",
        _server_as_the_tutorial_sets_it,
        "compare with lab/files/etc/meta1/meta1.conf",
    ),
    Check(
        "mail for lab.example ends here",
        _our_domain,
        "local_domains in section smar",
    ),
    Check(
        "alice and bob are users, others are not",
        _our_users,
        "createmap hash users.db < users, in /etc/meta1, as root",
    ),
    Check(
        "an access map",
        _access_map,
        "createmap hash access.db < /dev/null, in /etc/meta1, as root",
    ),
)

EXERCISE = ("a configuration for messages up to ten megabytes", _small_messages)

"""configure, make, install and dist, done in a copy of the tree by a plain user."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

import pytest

pytestmark = pytest.mark.whole

TREE = Path(__file__).resolve().parent.parent
IS_ROOT = os.geteuid() == 0
NOBODY = 65534
PROGRAMS = {
    "libexec": {"smtps", "smtpc", "qmgr", "smar"},
    "sbin": {"mcp", "mcp.sh", "sm.check.sh", "sm.setup.sh"},
    "bin": {"createmap", "mailq", "qmgrctl", "metaconf", "smconf"},
}
MANUALS = {"mcp", "smtps", "smtpc", "qmgr", "smar", "createmap", "mailq", "qmgrctl", "metaconf",
           "smconf", "meta1"}  # fmt: skip


def run(where: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command there as a plain user; both outputs come as one."""
    clean = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(where), "LC_ALL": "C.UTF-8"}
    return subprocess.run(
        command, cwd=where, env=clean | environment, text=True, check=False, timeout=300,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        **({"user": NOBODY, "group": NOBODY, "extra_groups": []} if IS_ROOT else {}),
    )  # fmt: skip


def copy_tree(to: Path) -> Path:
    """A clean copy of the source tree that belongs to the plain user."""
    skip = shutil.ignore_patterns(
        "build", "__pycache__", ".*", "Makefile", "*.tar.gz", "*.sig", "sm.setup.sh", "sm.check.sh",
        "mcp.sh", "meta1.service", "_build.py", "meta1.conf",
    )  # fmt: skip
    shutil.copytree(TREE, to / "meta1", ignore=skip)
    if IS_ROOT:
        subprocess.run(["chown", "-R", f"{NOBODY}:{NOBODY}", str(to)], check=True)
    return to / "meta1"


@pytest.fixture(scope="module")
def built() -> Iterator[Path]:
    """A copy of the tree, configured and made."""
    top = Path(mkdtemp(prefix="m1-build-", dir="/tmp"))
    top.chmod(0o755)
    copy = copy_tree(top)
    configured = run(copy, "./configure")
    assert configured.returncode == 0, configured.stdout
    made = run(copy, "make")
    assert made.returncode == 0, made.stdout
    yield copy
    shutil.rmtree(top)


@pytest.fixture(scope="module")
def installed(built: Path) -> Path:
    """Where ``make install DESTDIR=`` has put everything."""
    done = run(built, "make", "install", f"DESTDIR={built}/image")
    assert done.returncode == 0, done.stdout
    return built / "image"


def test_help_lists_only_options_that_configure_takes() -> None:
    """Every option in --help is accepted; -help, as the tutorial writes it, is too."""
    shown = run(TREE, "./configure", "-help")
    assert shown.returncode == 0
    options = [line.split()[0] for line in shown.stdout.splitlines() if line.startswith("  --")]
    source = (TREE / "configure").read_text()
    for option in options:
        name = option.split("=")[0]
        assert f"{name}=*)" in source or f"{name} |" in source or f"{name})" in source, option


@pytest.mark.parametrize(
    ("argument", "says"),
    [
        ("--enable-pmilter", "has no pmilter"),
        ("--with-speed", "no option --with-speed"),
        ("--prefix=relative", "not an absolute path"),
        ("--prefix=/a b", "characters that scripts do not survive"),
        ("--with-python=/bin/false", "not Python 3.11"),
        ("--with-sasl-libdir=/nowhere", "Cyrus SASL (/nowhere/libsasl2.so.2)"),
    ],
)
def test_configure_refuses(argument: str, says: str) -> None:
    """A wrong or impossible option is an error that says why, and nothing is written."""
    done = run(TREE, "./configure", argument, META1_BUILD_AS_ROOT="yes")
    assert done.returncode == 1
    assert says in done.stdout


def test_configure_refuses_root_with_the_reason(box: Path) -> None:
    """root is told why not, and how to insist."""
    (box / "id").write_text("#!/bin/sh\necho 0\n")
    (box / "id").chmod(0o755)
    done = run(TREE, "./configure", PATH=f"{box}:/usr/bin:/bin")
    assert done.returncode == 1
    assert "this is root" in done.stdout
    assert "--enable-root-build" in done.stdout


def test_make_refuses_root(built: Path, box: Path) -> None:
    """Neither make nor make check: root would leave files that the plain user cannot write."""
    (box / "id").write_text("#!/bin/sh\necho 0\n")
    (box / "id").chmod(0o755)
    for command in (["make", "-B"], ["make", "check", "TESTS=tests/test_layers.py"]):
        done = run(built, *command, PATH=f"{box}:/usr/bin:/bin")
        assert done.returncode != 0
        assert "this is root, and only 'make install' needs it" in done.stdout


def test_configure_says_what_it_found(built: Path) -> None:
    """One line for each of Python, OpenSSL, Cyrus SASL and Berkeley DB, with its version."""
    text = run(built, "./configure").stdout
    for what, version in (
        ("Python", "3."), ("OpenSSL", "OpenSSL "), ("Cyrus SASL", "2."), ("Berkeley DB", "5."),
    ):  # fmt: skip
        line = next(each for each in text.splitlines() if each.startswith(f"  {what} "))
        assert version in line


def test_switched_off_features_are_off(box: Path) -> None:
    """--disable-TLS: the build says so, and refuses a configuration that wants TLS."""
    copy = copy_tree(box)
    assert run(copy, "./configure", "--disable-TLS", "--disable-SASL").returncode == 0
    assert "tls = False" in (copy / "misc/_build.py").read_text()
    shutil.copy(copy / "misc/_build.py", copy / "src/meta1/_build.py")
    check = "from meta1.metaconf import main; raise SystemExit(main(['-s', '{}']))"
    file = "tests/data/tutorial-2006.conf"
    done = run(copy, "python3", "-c", check.format(file), PYTHONPATH=f"{copy}/src")
    assert done.returncode == 78
    assert "this build has no TLS" in done.stdout
    assert "this build has no SASL" in done.stdout


def test_install_does_not_build(box: Path) -> None:
    """root must not leave files in the user's tree: without make there is nothing to install."""
    copy = copy_tree(box)
    assert run(copy, "./configure").returncode == 0
    done = run(copy, "make", "install", f"DESTDIR={box}/image")
    assert done.returncode != 0
    assert "run make first" in done.stdout
    assert not (box / "image").exists()


def test_make_again_does_nothing(built: Path) -> None:
    """What is built is not built again."""
    assert "built:" not in run(built, "make").stdout


def test_installs_where_the_tutorial_expects_it(installed: Path) -> None:
    """Each program is in its place and executable by all."""
    for folder, names in PROGRAMS.items():
        found = {each.name for each in (installed / "usr/local" / folder).iterdir()}
        assert found == names
        for name in names:
            mode = (installed / "usr/local" / folder / name).stat().st_mode
            assert stat.S_IMODE(mode) == 0o755


def test_installs_manual_pages(installed: Path) -> None:
    """One page a program, one for the configuration file."""
    manuals = installed / "usr/local/share/man"
    assert {each.stem for each in (manuals / "man8").iterdir()} == MANUALS
    assert {each.stem for each in (manuals / "man5").iterdir()} == {"meta1.conf", "meta1.access"}


def test_everything_is_byte_compiled(installed: Path) -> None:
    """root never has to write into the package."""
    package = installed / "usr/local/lib/meta1/meta1"
    for source in package.rglob("*.py"):
        assert list(source.parent.glob(f"__pycache__/{source.stem}.*.pyc")), source


def test_installed_programs_run(installed: Path) -> None:
    """With their shebang pointed at the image, all programs answer -V or --help."""
    for folder, names in PROGRAMS.items():
        for name in names - {"mcp.sh", "sm.check.sh", "sm.setup.sh"}:
            text = (installed / "usr/local" / folder / name).read_text()
            moved = text.replace("/usr/local/lib", f"{installed}/usr/local/lib")
            done = run(installed, "python3", "-I", "-c", moved, "--help")
            assert done.returncode == 0, (name, done.stdout)


def test_install_makes_the_queue(installed: Path) -> None:
    """The directories of misc/places are there with their modes."""
    for line in (TREE / "misc/places").read_text().splitlines():
        if line and not line.startswith("#"):
            path, _, _, mode = line.split()
            found = (installed / "var/spool/meta1" / path).stat().st_mode
            assert f"{stat.S_IMODE(found):04o}" == mode, path


def test_sample_configuration_is_valid(built: Path) -> None:
    """What is installed as meta1.conf.sample can be used."""
    done = run(built, "python3", "-c",
               "from meta1.metaconf import main; raise SystemExit(main(['-s', 'misc/meta1.conf']))",
               PYTHONPATH=f"{built}/src")  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_uninstall_leaves_mail_and_configuration(built: Path) -> None:
    """Programs go, the queue and the configuration stay."""
    image = built / "image2"
    assert run(built, "make", "install", f"DESTDIR={image}").returncode == 0
    assert run(built, "make", "uninstall", f"DESTDIR={image}").returncode == 0
    left = {str(each.relative_to(image)) for each in image.rglob("*") if each.is_file()}
    assert left == {"etc/meta1/meta1.conf.sample"}
    assert (image / "var/spool/meta1/cdb").is_dir()


def test_dist_is_reproducible_and_whole(built: Path, box: Path) -> None:
    """The same bytes from another copy, with other times; nothing that was built is in it."""
    other = copy_tree(box)
    left_over = other / "tests" / ".hypothesis"
    left_over.mkdir()
    (left_over / "example").write_text("what a tool has left")
    for each in other.rglob("*"):
        os.utime(each, (1, 1))
    assert run(other, "./configure", "--prefix=/opt/m1").returncode == 0
    for copy in (built, other):
        done = run(copy, "make", "dist", "SIGN=no")
        assert done.returncode == 0, done.stdout
    name = next(built.glob("meta1-*.tar.gz")).name
    assert (built / name).read_bytes() == (other / name).read_bytes()
    with tarfile.open(built / name) as tarball:
        names = {each.name.partition("/")[2] for each in tarball.getmembers()}
    assert {"configure", "Makefile.in", "README", "src/meta1/mcp.py", "tests/run.py"} <= names
    assert not [each for each in names if each.startswith("build") or each.endswith(".pyc")]
    assert "Makefile" not in names and "misc/sm.setup.sh" not in names


@pytest.mark.skipif(not shutil.which("gpg"), reason="gpg is not installed")
def test_dist_signs(built: Path) -> None:
    """make dist leaves a detached signature that verifies; without a key it says what to do."""
    keys = built / "keys"
    assert run(built, "mkdir", "-m", "700", str(keys)).returncode == 0
    without = run(built, "make", "dist", GNUPGHOME=str(keys))
    assert without.returncode != 0
    assert "no secret key" in without.stdout
    made = run(built, "gpg", "--batch", "--passphrase", "", "--quick-generate-key",
               "Test <t@example.org>", "ed25519", "sign", GNUPGHOME=str(keys))  # fmt: skip
    assert made.returncode == 0, made.stdout
    assert run(built, "make", "dist", GNUPGHOME=str(keys)).returncode == 0
    tarball = next(built.glob("meta1-*.tar.gz"))
    checked = run(built, "gpg", "--verify", f"{tarball}.sig", str(tarball), GNUPGHOME=str(keys))
    assert checked.returncode == 0, checked.stdout
    run(built, "gpgconf", "--kill", "all", GNUPGHOME=str(keys))

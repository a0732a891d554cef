"""Manual pages and README against the code: what is documented is what is accepted."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from meta1.access_table import GREETING_CODES, TAGS, VALUES
from meta1.arguments import usage
from meta1.config import Config
from meta1.config.schema import Section, options_of, sections_of
from meta1.manual import WRITERS, markdown, roff
from meta1.mcp import USAGE as MCP_USAGE
from meta1.metaconf import USAGE as METACONF_USAGE
from meta1.queue.control import COMMANDS
from meta1.tools import createmap, qmgrctl

pytestmark = pytest.mark.whole

TREE = Path(__file__).resolve().parent.parent
USAGES = {"mcp": MCP_USAGE, "metaconf": METACONF_USAGE} | {
    name: usage(name) for name in ("smtps", "smtpc", "qmgr", "smar")
}


def letters(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])-([A-Za-z])\b", text))


@pytest.mark.parametrize("name", sorted(USAGES))
def test_page_and_usage_name_the_same_options(name: str) -> None:
    """Each option of the usage has a paragraph in the page, and the other way round."""
    page = (TREE / "man" / f"{name}.8").read_text()
    described = page.partition(".SH OPTIONS")[2].partition(".SH")[0]
    paragraphs = re.findall(r"^\.TP\n(.*)$", described, re.MULTILINE)
    documented = {each for line in paragraphs for each in re.findall(r"\\-([A-Za-z])\b", line)}
    shown = set(re.findall(r"^ +-([A-Za-z])", USAGES[name], re.MULTILINE))
    assert documented - {"h"} == shown


@pytest.mark.parametrize("tool", [createmap, qmgrctl])
def test_pages_of_the_tools(tool: ModuleType) -> None:
    """Every option that the parser takes is in the page, and no other."""
    parser = tool.parser()
    page = (TREE / "man" / f"{parser.prog}.8").read_text()
    described = page.partition(".SH OPTIONS")[2].partition(".SH")[0]
    documented = set(re.findall(r"^\.(?:B|BI|BR) (\\-[a-z])", described, re.MULTILINE))
    taken = {each for action in parser._actions for each in action.option_strings}
    assert {each.replace("\\", "") for each in documented} == taken - {"--help"}


def test_page_of_qmgrctl_has_every_command() -> None:
    """The commands of qmgr and those of the page are the same."""
    page = (TREE / "man/qmgrctl.8").read_text()
    described = page.partition(".SH COMMANDS")[2].partition(".SH")[0]
    assert set(re.findall(r"^\.TP\n\.BI? (\w+)", described, re.MULTILINE)) == set(COMMANDS)


def test_page_of_the_access_map() -> None:
    """Every tag and every value has its paragraph."""
    page = "\n".join(WRITERS["meta1.access.5"]())
    for tag in TAGS:
        assert f".BI {tag}: KEY" in page
    for word in VALUES:
        assert f".B {word}\n" in page
    for code in (550, *GREETING_CODES.values()):
        assert str(code) in page, "what a refused client is told depends on when it is told"


@pytest.mark.parametrize("name", ["smtps", "smtpc", "qmgr", "smar"])
def test_usage_lists_the_options_that_getopt_takes(name: str) -> None:
    """-n belongs to smtps alone."""
    assert letters(usage(name)) == {"f", "V"} | ({"n"} if name == "smtps" else set())


def test_every_program_has_a_page() -> None:
    """What is installed can be looked up."""
    makefile = (TREE / "Makefile.in").read_text()
    programs = re.findall(r"^(?:MODULES|TOOLS) = (.*)$", makefile, re.MULTILINE)
    for name in ["mcp", "meta1", *" ".join(programs).split()]:
        assert (TREE / "man" / f"{name}.8").exists(), name


def test_every_option_is_in_the_page_of_the_configuration() -> None:
    """No option and no section without its paragraph; ours are marked."""
    page, tables = "\n".join(roff()), "\n".join(markdown())

    def look(kind: type[Section]) -> None:
        for each in options_of(kind):
            assert f" {each.spelling}" in page, each
            assert f"| `{each.spelling}` |" in tables, each
        for sub in sections_of(kind):
            assert sub.keyword in page
            look(sub.section)

    look(Config)


@pytest.mark.skipif(not shutil.which("groff"), reason="groff is not installed")
def test_pages_are_clean() -> None:
    """groff has nothing to complain about."""
    pages = [each.read_text() for each in sorted((TREE / "man").glob("*.8"))]
    pages += ["\n".join(WRITERS[each]()) + "\n" for each in WRITERS if each.endswith(".5")]
    for page in pages:
        if not page.startswith(".so"):
            done = subprocess.run(
                ["groff", "-man", "-Tutf8", "-ww", "-z"], input=page, text=True,
                capture_output=True, check=True,
            )  # fmt: skip
            assert done.stderr == ""


def test_text_names_files_that_exist() -> None:
    """Paths of the source tree that the text for newcomers names are there."""
    text = (TREE / "doc/README.txt").read_text() + (TREE / "README").read_text()
    for name in re.findall(r"(?<![\w/])(?:src|misc|doc|tests|man)/[\w./]*\w", text):
        path = TREE / name
        assert path.exists() or path.with_name(path.name + ".in").exists(), name

"""The time line: what is read out of mcp's log lines, and that only their order is drawn."""

from xml.etree import ElementTree

import pytest

from lab.pictures.timeline import Step, picture, steps

KILLED = """\
2026-11-24T11:43:54.1+00:00 mail mcp[85]: module_ended module=smar pid=86 how="signal SIGKILL"
2026-11-24T11:43:54.2+00:00 mail mcp[85]: module_waits module=smar seconds=1.0
2026-11-24T11:43:54.3+00:00 mail smtps[90]: stopping why=SIGTERM
2026-11-24T11:43:54.4+00:00 mail mcp[85]: module_ended module=smtps pid=90 how="exit 0"
2026-11-24T11:43:54.5+00:00 mail mcp[85]: module_ended module=qmgr pid=87 how="exit 0"
2026-11-24T11:43:55.6+00:00 mail mcp[85]: module_started module=smar pid=120
2026-11-24T11:43:55.7+00:00 mail mcp[85]: module_ready module=smar after=0.15
2026-11-24T11:43:55.8+00:00 mail mcp[85]: module_started module=smtps pid=121
"""
STORY = [
    Step("killed", ("smar",)),
    Step("waits", ("smar",), "1 s"),
    Step("stopped", ("qmgr", "smtps")),
    Step("started", ("smar",)),
    Step("ready", ("smar",)),
    Step("started", ("smtps",)),
]
MODULES = ["smar", "qmgr", "smtpc", "smtps"]
SVG = "{http://www.w3.org/2000/svg}"


def test_the_steps_are_those_of_mcp_in_order() -> None:
    """Lines of the modules themselves are left out, those that stop side by side are one step."""
    assert steps(KILLED) == STORY


def test_the_order_of_those_that_stop_side_by_side_does_not_matter() -> None:
    """Two processes that end at the same time end in any order; what is drawn is the same."""
    lines = KILLED.splitlines(keepends=True)
    lines[3], lines[4] = lines[4], lines[3]
    assert steps("".join(lines)) == STORY


def test_times_and_numbers_of_processes_do_not_matter() -> None:
    """A slow machine gives the same picture, byte by byte."""
    slow = KILLED.replace("0.15", "9.87").replace("2026-11-24T11:43", "2031-01-02T03:04")
    slow = slow.replace("pid=1", "pid=4561").replace("[85]", "[31337]")
    assert picture(steps(slow), MODULES) == picture(STORY, MODULES)


@pytest.mark.parametrize(
    ("how", "kind"),
    [('"signal SIGKILL"', "killed"), ('"exit 0"', "stopped"), ('"exit 70"', "stopped")],
)
def test_an_end_by_kill_is_not_one_in_order(how: str, kind: str) -> None:
    """Only SIGKILL, which no process can answer, is drawn as a cross."""
    line = f" mcp[1]: module_ended module=smtpc pid=7 how={how}\n"
    assert steps(line) == [Step(kind, ("smtpc",))]


def test_a_step_reads_as_a_line() -> None:
    """The same story as text, for those who do not see the picture."""
    assert str(STORY[1]) == "waits    smar 1 s"
    assert str(STORY[2]) == "stopped  qmgr, smtps"


def test_the_picture_is_good_svg_with_a_description() -> None:
    """It parses, and says to a screen reader what it shows."""
    drawn = ElementTree.fromstring(picture(STORY, MODULES))
    assert drawn.get("role") == "img"
    assert "killed smar; waits smar 1 s; stopped qmgr, smtps" in (drawn.get("aria-label") or "")


def test_each_module_has_a_row_and_each_step_a_column() -> None:
    """Also a module to which nothing happens, and heads for all steps."""
    drawn = ElementTree.fromstring(picture(STORY, MODULES))
    texts = [text.text for text in drawn.iter(f"{SVG}text")]
    assert set(MODULES) < set(texts)
    assert [text for text in texts if text and text.isdigit()] == [str(n) for n in range(1, 7)]


def test_a_module_to_which_nothing_happens_serves_all_along() -> None:
    """Its line goes from end to end, with no mark on it."""
    drawn = ElementTree.fromstring(picture(STORY, ["smtpc"]))
    assert len(list(drawn.iter(f"{SVG}line"))) == 1
    assert not list(drawn.iter(f"{SVG}circle"))


def test_a_name_cannot_break_the_picture() -> None:
    """Names come from a log; they are text and nothing else."""
    ElementTree.fromstring(picture([Step("ready", ('<&"x',))], ['<&"x']))

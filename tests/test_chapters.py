"""The chapters: their modules and exercises have their shape, and a check asks without failing the one who asks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

import lab.chapters as tutorial
from lab import session
from lab.chapters import Chapter, Check, chapters, exercise
from lab.chapters.exercise import parse_task
from lab.chapters.stranger import UNANSWERED, reply_to
from lab.drift.notebooks import load, source
from lab.errors import BadNotebook, CheckFailed, CommandFailed, LabError
from lab.host import Host
from lab.result import Result
from lab.session import run_checks

WORDS = """\
## Exercise

Do it.

<details><summary>Hint</summary>

Think of `it`,
then again.

</details>

<details><summary>Solution</summary>

This way:

```bash
true
  false </dev/null
```

</details>
"""
ORDER = ["exercise", "exercise-check", "now", "now-check", "next"]
"""How every chapter ends."""

Write = Callable[..., Path]


@pytest.fixture
def notebook(tmp_path: Path) -> Write:
    """Write a notebook with one Markdown cell."""

    def make(text: str, cell: str = "exercise") -> Path:
        cells = [{"id": cell, "cell_type": "markdown", "metadata": {}, "source": [text]}]
        path = tmp_path / "01-a.ipynb"
        path.write_text(
            json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
        )
        return path

    return make


def test_hint_and_solution_are_read(notebook: Write) -> None:
    """The hint as one line, the solution as the shell would get it."""
    task = parse_task(notebook(WORDS))
    assert task.hints == ("Think of `it`, then again.",)
    assert task.solution == "true\n  false </dev/null\n"


SECOND = "<details><summary>Second hint</summary>\n\nMore.\n\n</details>\n\n"
THIRD = SECOND.replace("Second", "Third").replace("More", "All")
BEFORE = "<details><summary>Solution"


def test_there_are_up_to_three_hints(notebook: Write) -> None:
    """In the order of the page, each told alone."""
    two, three = (
        parse_task(notebook(WORDS.replace(BEFORE, more + BEFORE)))
        for more in (SECOND, SECOND + THIRD)
    )
    assert two.hints == ("Think of `it`, then again.", "More.")
    assert three.hints == ("Think of `it`, then again.", "More.", "All.")
    assert two.solution == three.solution == parse_task(notebook(WORDS)).solution


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("", "folded Hint"),
        (WORDS.replace(BEFORE, THIRD + BEFORE), "folded Second hint"),
        (WORDS + "\n" + SECOND, "order"),
        (WORDS.replace("Hint", "Tip"), "folded Hint"),
        (WORDS.replace("Solution", "Answer"), "folded Solution"),
        (WORDS.replace("again.\n\n</details>", "again."), "folded Hint"),
        (WORDS.replace("</summary>\n\nThink", "</summary>\nThink"), "folded Hint"),
        (WORDS.replace("```bash", "```python"), "block of bash"),
        (WORDS.replace("true\n", "true\n```\n\n```bash\n"), "block of bash"),
    ],
)
def test_what_is_missing_is_named(notebook: Write, text: str, missing: str) -> None:
    """An author sees which part of an exercise is not as it must be, and in which notebook."""
    with pytest.raises(BadNotebook, match=rf"01-a\.ipynb: no {missing}"):
        parse_task(notebook(text))


def test_a_notebook_without_an_exercise_says_so(notebook: Write) -> None:
    """The cell is found by its id."""
    with pytest.raises(BadNotebook, match="no cell 'exercise'"):
        parse_task(notebook(WORDS, cell="task"))


def test_a_module_without_an_exercise_says_so(
    notebook: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chapter needs both: the words in the notebook, the test in the module."""
    module = type("Module", (), {"CHECKS": ()})
    monkeypatch.setattr(Chapter, "_module", module)
    with pytest.raises(BadNotebook, match=r"01-a has no exercise"):
        _ = Chapter("01-a", notebook(WORDS)).exercise


def failing(_: object) -> None:
    """A test of something that is not so; like all of them it prints while it asks."""
    print("asked")
    raise CheckFailed("that", "this", "something else")


def passing(_: object) -> None:
    """A test of something that holds."""
    print("asked")


@pytest.mark.parametrize(("test", "line"), [(failing, "to do  it is"), (passing, "ok   it is")])
def test_an_exercise_says_in_one_line_how_it_stands(
    notebook: Write,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    host: Host,
    test: Callable[[object], None],
    line: str,
) -> None:
    """It fails nobody: a notebook runs to its end although the reader has done no exercise."""
    monkeypatch.setattr(Chapter, "_module", type("Module", (), {"EXERCISE": ("it is", test)}))
    found = (Chapter("01-a", notebook(WORDS)),)
    monkeypatch.setattr(tutorial, "chapters", lambda: found)
    exercise(host, 1)
    assert capsys.readouterr().out == f"{line}\n"


@pytest.mark.parametrize(
    ("said", "reply"),
    [
        (
            " -> RCPT TO:<a@b.example>\n<-  250 2.1.5 Recipient ok\n -> QUIT\n",
            "250 2.1.5 Recipient ok",
        ),
        (" ~> RCPT TO:<a@b.example>\n<~* 550 5.7.1 Relaying denied\n", "550 5.7.1 Relaying denied"),
        ("*** Error connecting\n", UNANSWERED),
    ],
)
def test_a_reply_is_read_from_what_swaks_prints(said: str, reply: str) -> None:
    """In clear and inside TLS, taken or refused; a server that does not answer is told from both."""

    class Machine:
        def run(self, *_: object, check: bool) -> Result:
            return Result("swaks", 0, said, "", 0.0)

    assert reply_to(cast(Host, Machine()), "a@b.example", "-tls") == reply


def test_a_check_whose_command_fails_is_a_check_that_fails(host: Host) -> None:
    """What it looks at is not there at all; other errors, of the lab itself, are no answer."""

    def broken(_: Host) -> None:
        raise LabError("the machine is gone")

    checks = [
        Check("passes", passing, ""),
        Check("fails", failing, ""),
        Check("no file", lambda vm: vm.get("/nowhere"), "make it"),
        Check("no end", lambda vm: vm.run("sleep 9", timeout=0.1), "end it"),
        Check("no lab", broken, ""),
    ]
    found = run_checks(host, checks)
    assert [failure and failure.expected for _, failure in (next(found) for _ in range(4))] == [
        None,
        "this",
        "an answer",
        "an answer",
    ]
    with pytest.raises(LabError, match="the machine is gone"):
        next(found)


@pytest.mark.parametrize("each", chapters(), ids=lambda c: c.name)
def test_a_chapter_is_whole(each: Chapter) -> None:
    """Each has checks with hints, an exercise that its notebook asks for, and the same end."""
    assert each.checks
    assert all(check.what and check.hint for check in each.checks)
    assert each.exercise.task.solution
    cells = {cell["id"]: source(cell) for cell in load(each.notebook)["cells"]}
    assert [name for name in cells if name in ORDER] == ORDER
    assert list(cells)[-5:] == ORDER
    assert cells["exercise-check"] == f"exercise(vm, {each.number})"
    assert f"`lab check {each.number}`" in cells["now"]


class Machine:
    """A lab and its session in one that only remembers how far it is."""

    def __init__(self) -> None:
        self.state: set[str] = set()
        self.host = self.state
        self.solution: Callable[[], None] = lambda: self.state.add("exercise")

    def goto(self, _: Chapter) -> None:
        self.state.clear()

    def finish(self, _: Chapter) -> None:
        self.state.add("chapter")

    def solve_exercise(self, _: Chapter) -> None:
        self.solution()


def proof(monkeypatch: pytest.MonkeyPatch, page: Path, machine: Machine, *checks: str) -> list[str]:
    """What `prove` finds wrong with a chapter whose checks ask for these parts of the state."""

    def asks(part: str) -> Callable[[Any], None]:
        def test(state: Any) -> None:
            if part not in state and part != "nothing":
                raise CheckFailed(part, part, "something else")

        return test

    module = type(
        "Module",
        (),
        {
            "CHECKS": tuple(Check(part, asks(part), "") for part in checks),
            "EXERCISE": ("exercise", asks("exercise")),
        },
    )
    monkeypatch.setattr(Chapter, "_module", module)
    monkeypatch.setattr(session, "Session", lambda *_: machine)
    found = session.prove(machine, lambda _: None, [Chapter("01-a", page)])  # type: ignore[arg-type]
    return [what for _, what in found]


def test_checks_are_proven(notebook: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is found in a good chapter; a check that cannot fail or cannot pass is found out."""
    page = notebook(WORDS)
    assert proof(monkeypatch, page, Machine(), "chapter") == []
    assert proof(monkeypatch, page, Machine(), "nothing") == [
        "'nothing' passes after a reset",
    ]
    assert proof(monkeypatch, page, Machine(), "more") == [
        "'more' fails after it: something else",
        "'more' fails after its exercise: something else",
    ]


def test_exercises_are_proven(notebook: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """A solution that does nothing, that fails, or that breaks the chapter is found out."""
    idle, failing_one, harmful = Machine(), Machine(), Machine()
    idle.solution = lambda: None

    def fail() -> None:
        raise CommandFailed(Result("false", 1, "", "", 0.0))

    def harm() -> None:
        harmful.state.clear()
        harmful.state.add("exercise")

    failing_one.solution, harmful.solution = fail, harm
    page = notebook(WORDS)
    undone = "'exercise' fails after its exercise: something else"
    assert proof(monkeypatch, page, idle, "chapter") == [undone]
    assert proof(monkeypatch, page, failing_one, "chapter") == ["exit 1: false", undone]
    assert proof(monkeypatch, page, harmful, "chapter") == [
        "'chapter' fails after its exercise: something else"
    ]


def test_an_exercise_that_the_chapter_does_itself_is_found_out(
    notebook: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then there is nothing left to do for the reader."""
    machine = Machine()
    machine.finish = lambda _: machine.state.update({"chapter", "exercise"})  # type: ignore[method-assign]
    assert proof(monkeypatch, notebook(WORDS), machine, "chapter") == [
        "'exercise' passes before its exercise"
    ]

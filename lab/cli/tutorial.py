"""Commands for the chapters: is one done, what is missing, do it for me, take me there."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

import click
from rich.markup import escape

from lab.chapters import Chapter, Check
from lab.classroom import journal
from lab.classroom.report import report
from lab.cli.base import as_json, chapter_argument, emit, main, with_lab
from lab.console import out, seconds, working
from lab.lab import FRESH, Lab
from lab.session import Session, run_checks

exercise_option = click.option("--exercise", is_flag=True, help="The chapter's exercise instead.")


@main.command()
@chapter_argument(required=False)
@with_lab
def reset(lab: Lab, chapter: Chapter | None) -> None:
    """Back to the fresh machine, or to how CHAPTER found it."""
    began = time.monotonic()
    if chapter:
        with working(f"chapter {chapter.name}") as progress:
            Session(lab, progress).goto(chapter)
        report("reset", chapter.number)
    else:
        lab.restore(FRESH)
    out.print(
        f"lab {lab.name} is as {'chapter ' + chapter.name + ' finds it' if chapter else 'it first came up'}"
        f" ({seconds(time.monotonic() - began)})"
    )


@main.command()
@chapter_argument()
@exercise_option
@as_json
@with_lab
def check(lab: Lab, chapter: Chapter, exercise: bool, json_: bool) -> None:
    """Is CHAPTER done? Every check of it, with what is not yet as it should be."""
    found: list[dict[str, object]] = []
    for each, failure in run_checks(lab.host, _checks(chapter, exercise)):
        found.append({"check": each.what, "ok": failure is None, "why": str(failure or "")})
        if not json_:
            mark = "[green]ok  [/]" if failure is None else "[red]no  [/]"
            out.print(
                f"{mark} {escape(each.what)}"
                + (
                    f"\n     expected {escape(failure.expected)}, found {escape(failure.found)}"
                    if failure
                    else ""
                )
            )
    missing = sum(not f["ok"] for f in found)
    what = "exercise" if exercise else "check"
    report(what, chapter.number, passed=not missing, missing=missing)
    if json_:
        emit(found)
    elif missing:
        out.print(
            f"{missing} of {len(found)} to do; `lab hint {chapter.number}"
            f"{' --exercise' if exercise else ''}` helps with the first"
        )
    sys.exit(1 if missing else 0)


@main.command()
@chapter_argument()
@exercise_option
@with_lab
def hint(lab: Lab, chapter: Chapter, exercise: bool) -> None:
    """A nudge towards the first thing that CHAPTER still misses; of an exercise, one hint more each time."""
    for each, failure in run_checks(lab.host, _checks(chapter, exercise)):
        if failure:
            hints = chapter.exercise.task.hints if exercise else (each.hint,)
            taken = journal.hints_of(journal.events()).get(chapter.number, 0) if exercise else 0
            number = min(taken + 1, len(hints))
            out.print(f"{escape(each.what)}:", *map(escape, hints[:number]), sep="\n     ")
            if number < len(hints):
                out.print(f"hint {number} of {len(hints)}: ask again for more")
            report("hint", chapter.number, exercise=exercise, number=number)
            return
    out.print(f"nothing is missing in {'the exercise of ' if exercise else ''}{chapter.name}")


@main.command()
@chapter_argument()
@exercise_option
@with_lab
def solve(lab: Lab, chapter: Chapter, exercise: bool) -> None:
    """Do CHAPTER for you: run its notebook, or its exercise's solution, on the machine as it stands."""
    with working(f"chapter {chapter.name}") as progress:
        session = Session(lab, progress)
        session.solve_exercise(chapter) if exercise else session.solve(chapter)
    report("solve", chapter.number, exercise=exercise)
    what, option = ("the exercise of ", " --exercise") if exercise else ("", "")
    out.print(f"{what}{chapter.name} is done; `lab check {chapter.number}{option}` looks at it")


@main.command()
@chapter_argument()
@with_lab
def goto(lab: Lab, chapter: Chapter) -> None:
    """Be where CHAPTER begins, whatever was done before; makes the earlier chapters' state if need be."""
    began = time.monotonic()
    with working(f"lab {lab.name}") as progress:
        lab.up(progress)
        Session(lab, progress).goto(chapter)
    report("goto", chapter.number)
    out.print(f"ready for {chapter.name} ({seconds(time.monotonic() - began)})")


def _checks(chapter: Chapter, exercise: bool) -> Sequence[Check]:
    return [chapter.exercise.check] if exercise else chapter.checks

"""The whole check with real kernels, on a lab that is only remembered."""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest

from lab.drift.outcome import CellFinished, CellStarted, Event, NotebookResult, Outcome
from lab.drift.run import run
from lab.errors import BadNotebook, NoProvider, UnknownName

from .books import Book, FakeLab, code

ERROR = {"output_type": "error", "ename": "ValueError", "evalue": "on purpose", "traceback": []}
NAMES = "print(sorted(name for name in globals() if not name.startswith('_')))"
FRESH_NAMES = "['In', 'Out', 'exit', 'get_ipython', 'open', 'quit']\n"


def check(paths: list[Path], lab: FakeLab, rules: Path, **options: Any) -> Outcome:
    """A run with its reports in a folder beside the notebooks."""
    return run(paths, lab=lab, out=paths[0].parent / "out", rules=rules, **options)


@pytest.fixture
def no_leftovers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Kernels clean up after themselves, whatever happened to them."""
    folder = Path(tempfile.mkdtemp(prefix="drift-"))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield
    assert list(folder.iterdir()) == []
    folder.rmdir()


@pytest.mark.usefixtures("cold", "no_leftovers")
def test_a_book_with_all_that_can_happen(book: Book, clock: Path) -> None:
    """One run over a good notebook, one that drifts, and one for each way to fail."""
    paths = [
        book(
            "01-same",
            code("print('it is 10:00:00 now')", "it is 11:11:11 now\n"),
            code("raise ValueError('on purpose')", ERROR, tags=("raises-exception",)),
            code("import sys; print('a', flush=True); print('b', file=sys.stderr)", "a\n"),
            code("never()", tags=("skip-execution",)),
            code("print('10 %', end='\\r'); print('\\x1b[1mdone\\x1b[0m')", "done\n"),
        ),
        book("02-drift", code("print('two')", "one\n"), code("6 * 7", "42\n")),
        book("03-no-error", code("print(1)", ERROR, tags=("raises-exception",)), code("2")),
        book("04-dies", code("print(1)", "1\n"), code("import os; os._exit(7)"), code("3")),
        book("05-hangs", code("import time; time.sleep(60)", "x\n"), timeout=1),
        book("06-fails", code("1"), code("raise OSError('connection lost')", "x\n")),
    ]
    lab = FakeLab(paths)
    lab.has_all = True
    events: list[Event] = []
    began = perf_counter()
    outcome = check(paths, lab, clock, progress=events.append)
    assert perf_counter() - began < 30
    found = {notebook.name: notebook for notebook in outcome.notebooks}
    assert outcome.exit_code == 2
    assert_stderr_is_the_only_drift(found["01-same"])
    assert [cell.status for cell in found["02-drift"].cells] == ["drift", "drift"]
    assert "-one\n+two" in found["02-drift"].cells[0].diff
    assert failure(found["03-no-error"]) == (1, "tagged raises-exception, but nothing was raised")
    assert failure(found["04-dies"]) == (2, "DeadKernelError: it ended itself")
    assert failure(found["05-hangs"]) == (1, "TimeoutError: no end within 1 s")
    assert failure(found["06-fails"]) == (2, "OSError: connection lost")
    assert lab.log[0] == "enter 01-same"
    assert "leave 06-fails" not in lab.log
    executed = sorted(path.name for path in (paths[0].parent / "out" / "executed").iterdir())
    assert executed == [path.name for path in paths]
    first = [event for event in events if isinstance(event, CellStarted | CellFinished)][:2]
    assert [(event.number, event.of) for event in first] == [(1, 4), (1, 4)]


def assert_stderr_is_the_only_drift(result: NotebookResult) -> None:
    """Masked time, expected error, overwritten and coloured text are the same as on the page."""
    assert [cell.status for cell in result.cells] == ["same", "same", "drift", "skipped", "same"]
    assert "+[stderr]\n+b" in result.cells[2].diff


def failure(result: NotebookResult) -> tuple[int, str]:
    """Which cell failed, and the first line it says."""
    assert result.status == "failed"
    cell = result.cells[-1]
    return cell.number, cell.message.split("\n")[0]


@pytest.mark.usefixtures("cold", "no_leftovers")
def test_update_then_nothing_to_do_then_a_change(book: Book, clock: Path) -> None:
    """A page is brought up to date, the next run has nothing to run, and a change shows again."""
    clock.write_text(clock.read_text() + clock.read_text().replace("clock", "dead"))
    source = "import time; print(time.strftime('%H:%M:%S'), 'start'); print('three users')"
    path = book("01-a", code(source, "00:00:00 start\ntwo users\n"), code("print('x')", "x\n"))
    before = path.read_text()
    lab = FakeLab([path])
    outcome = check([path], lab, clock, update=True)
    assert [notebook.status for notebook in outcome.notebooks] == ["updated"]
    assert path.read_text() == before.replace("two users", "three users")
    assert (outcome.dead_rules, outcome.exit_code) == (["dead"], 1)
    assert lab.log == ["enter 01-a", "leave 01-a"]

    lab.broken = NoProvider("no lab is needed now")
    again = check([path], lab, clock)
    (result,) = again.notebooks
    assert result.status == "unchanged"
    assert result.message.startswith("unchanged, checked 20")
    assert (again.dead_rules, again.masked_share) == (["dead"], outcome.masked_share)

    path.write_text(path.read_text().replace("'x'", "'y'"))
    lab.broken = None
    changed = check([path], lab, clock)
    assert [cell.status for cell in changed.notebooks[0].cells] == ["same", "drift"]
    assert changed.exit_code == 1
    assert "-x\n+y" in (tmp := path.parent / "out" / "summary.md").read_text(), tmp


@pytest.mark.usefixtures("no_leftovers")
def test_a_warm_kernel_has_no_names_of_its_own(book: Book, clock: Path) -> None:
    """What is loaded ahead saves time, but a notebook must import it itself."""
    loaded = code("import sys; print('lab' in sys.modules, In[1:] == [_i1, _i2])", "True True\n")
    path = book("01-a", code(NAMES, FRESH_NAMES), loaded)
    outcome = check([path], FakeLab([path]), clock)
    assert [cell.diff for cell in outcome.notebooks[0].cells] == ["", ""]


@pytest.mark.usefixtures("cold", "no_leftovers")
def test_a_missing_lab_is_exit_3(book: Book, clock: Path) -> None:
    """Said by the lab itself, before any cell runs."""
    path = book("01-a", code("1", "1\n"))
    lab = FakeLab([path])
    lab.broken = NoProvider("nothing here can make a machine", "lab doctor")
    outcome = check([path], lab, clock)
    assert (outcome.exit_code, outcome.notebooks) == (3, ())
    assert outcome.error == "nothing here can make a machine\n  next: lab doctor"
    assert json.loads((path.parent / "out" / "report.json").read_text())["exit_code"] == 3


@pytest.mark.usefixtures("cold", "no_leftovers")
def test_a_lab_that_is_gone_in_the_first_cell_is_exit_3_and_later_exit_2(
    book: Book, clock: Path
) -> None:
    """`Lab().up()` opens every notebook; what it raises there is about the lab, not the page."""
    gone = "from lab.errors import NoLab\nraise NoLab('there is no lab', 'lab up')"
    paths = [book("01-a", code("1"), code(gone, "x\n")), book("02-b", code(gone, "x\n"))]
    lab = FakeLab(paths)
    outcome = check(paths, lab, clock)
    assert [notebook.status for notebook in outcome.notebooks] == ["failed", "blocked"]
    assert outcome.notebooks[1].message == "not run: it starts where 01-a ends, which failed"
    assert outcome.exit_code == 2
    lab.has_all = True
    only = check(paths, lab, clock, only=["02"])
    assert (only.exit_code, only.notebooks, only.error) == (
        3,
        (),
        "there is no lab\n  next: lab up",
    )


@pytest.mark.usefixtures("cold", "no_leftovers")
def test_ctrl_c_ends_the_run_at_once(book: Book, clock: Path) -> None:
    """It is no failure of the notebook, and no kernel stays behind."""
    paths = [book(name, code("import time; time.sleep(60)", "x\n")) for name in ("01-a", "02-b")]

    def interrupt(event: Event) -> None:
        if isinstance(event, CellStarted):
            os.kill(os.getpid(), signal.SIGINT)

    began = perf_counter()
    with pytest.raises(KeyboardInterrupt):
        check(paths, FakeLab(paths), clock, progress=interrupt)
    assert perf_counter() - began < 20


@pytest.mark.usefixtures("no_leftovers")
def test_a_kernel_that_does_not_start_is_told(
    book: Book, clock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the last thing it said, and without waiting for long."""
    broken = clock.with_name("python")
    broken.write_text("#!/bin/sh\necho 'No module named ipykernel_launcher' >&2; exit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))
    path = book("01-a", code("1", "1\n"))
    outcome = check([path], FakeLab([path]), clock)
    said = "the notebook kernel does not start: No module named ipykernel_launcher"
    assert (outcome.exit_code, outcome.error) == (2, said)


def test_what_is_asked_wrongly_is_told_before_anything_runs(book: Book, clock: Path) -> None:
    """One line each; the lab was not touched."""
    paths = [book("01-a", code("1", "1\n")), book("02-b", code("1"))]
    lab = FakeLab(paths)
    with pytest.raises(BadNotebook, match=r"02-b\.ipynb has no outputs"):
        check(paths, lab, clock)
    with pytest.raises(UnknownName, match="did you mean"):
        check(paths, lab, clock, only=["01-b"])
    paths[0] = book("01-a", code("1", "1\n", rules=["clok"]))
    with pytest.raises(UnknownName, match="no rule named 'clok'"):
        check(paths, lab, clock, only=["01"])
    assert lab.log == []

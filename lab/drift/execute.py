"""Runs a notebook in a kernel of its own: the only part of the drift check that starts processes.

A kernel takes half a second to start and as long again to import `lab`, so `Kernels` has the next
one ready before it is wanted. Sockets are Unix ones in a folder of their own: nothing listens on a
port, nothing stays behind.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from queue import Empty
from time import perf_counter
from types import TracebackType
from typing import Any, Literal

from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from lab.config import ROOT
from lab.drift.notebooks import RAISES, first_line, runnable, tagged, timeout
from lab.errors import LabError

STARTUP_SECONDS = 60
OUTPUT_SECONDS = 30
"""How long output may lag behind the end of its cell before the run counts as broken."""
WARM_UP = "__import__('lab')"
"""Run ahead of a notebook: what takes long to load is loaded then, but no name is taken."""
LONGEST_FOLDER = 80
"""The kernel's sockets go below it, and Linux takes no socket path over 107 characters."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a notebook could not go on: the place of the cell in the notebook, and what happened."""

    index: int
    kind: Literal["error", "timeout", "died", "no error"]
    ename: str
    evalue: str


@dataclass(frozen=True, slots=True)
class Execution:
    """An executed notebook; `seconds` has one figure for each cell that ran, in order."""

    notebook: NotebookNode
    seconds: tuple[float, ...]
    failure: Failure | None = None


OnCell = Callable[[int, str, float | None], None]
"""Called with a cell's number and first line before it runs (None), and with its seconds after."""


class Kernel:
    """One kernel, for one notebook."""

    def __init__(self) -> None:
        self._folder = _socket_folder()
        self._manager = AsyncKernelManager(
            kernel_spec_manager=_ThisPython(),
            transport="ipc",
            ip=str(self._folder / "k"),
            connection_file=str(self._folder / "kernel.json"),
        )
        self._client: AsyncKernelClient = self._manager.client()

    @classmethod
    async def start(cls, cwd: Path) -> Kernel:
        """Start a kernel, wait until it answers, and let it load what every notebook needs."""
        kernel = cls()
        async with AsyncExitStack() as stack:
            stack.push_async_callback(kernel.close)
            try:
                await kernel._start(cwd)
            except (RuntimeError, Empty) as error:
                reason = kernel._last_line() or str(error) or "no answer"
                raise LabError(f"the notebook kernel does not start: {reason}") from error
            stack.pop_all()
        return kernel

    async def _start(self, cwd: Path) -> None:
        with (self._folder / "log").open("wb") as log:
            await self._manager.start_kernel(
                extra_arguments=["--HistoryManager.enabled=False"],
                cwd=str(cwd),
                env=self._environment(),
                stdout=log,
                stderr=log,
            )
        self._client.load_connection_info(self._manager.get_connection_info())
        self._client.start_channels()
        await self._client.wait_for_ready(timeout=STARTUP_SECONDS)
        await self._silently(WARM_UP)

    async def _silently(self, code: str) -> None:
        """Run code that is no part of the notebook and leaves no trace in it."""
        request = self._client.execute(code, silent=True, store_history=False)
        while await self._answered() != request:
            pass

    async def _answered(self) -> Any:
        reply = await self._client.get_shell_msg(timeout=STARTUP_SECONDS)
        return reply["parent_header"].get("msg_id")

    def _environment(self) -> dict[str, str]:
        """This process's own, less what a user's IPython set-up would add to a notebook."""
        path = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        return {
            **os.environ,
            "IPYTHONDIR": str(self._folder / "ipython"),
            "PYTHONPATH": os.pathsep.join(path),
        }

    def _last_line(self) -> str:
        log = self._folder / "log"
        lines = log.read_text(errors="replace").split("\n") if log.exists() else []
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    async def execute(
        self, notebook: NotebookNode, on_cell: OnCell, environment: Mapping[str, str]
    ) -> Execution:
        """Run the cells of `notebook`, which takes their outputs, up to the first that fails."""
        await self._silently(f"__import__('os').environ.update({dict(environment)!r})")
        runner = NotebookClient(
            notebook,
            km=self._manager,
            timeout=timeout(notebook),
            coalesce_streams=True,
            record_timing=False,
            iopub_timeout=OUTPUT_SECONDS,
            raise_on_iopub_timeout=True,
        )
        runner.kc = self._client
        seconds: list[float] = []
        for number, index in enumerate(runnable(notebook.cells), 1):
            line = first_line(notebook.cells[index].source)
            on_cell(number, line, None)
            began = perf_counter()
            failure = await self._run_cell(runner, index, number)
            seconds.append(perf_counter() - began)
            on_cell(number, line, seconds[-1])
            if failure:
                return Execution(notebook, tuple(seconds), failure)
        return Execution(notebook, tuple(seconds))

    async def _run_cell(self, runner: NotebookClient, index: int, number: int) -> Failure | None:
        cell = runner.nb.cells[index]
        cell.outputs = []
        try:
            await runner.async_execute_cell(cell, index, execution_count=number)
        except CellExecutionError as error:
            return Failure(index, "error", error.ename, error.evalue)
        except CellTimeoutError:
            most = f"no end within {timeout(runner.nb)} s"
            return Failure(index, "timeout", "TimeoutError", most)
        except DeadKernelError:
            if (task := asyncio.current_task()) and task.cancelling():
                raise asyncio.CancelledError from None  # nbclient takes Ctrl-C for a dead kernel
            return Failure(index, "died", "DeadKernelError", self._last_line() or "it ended itself")
        if tagged(cell, RAISES) and not any(out.output_type == "error" for out in cell.outputs):
            return Failure(index, "no error", "", f"tagged {RAISES}, but nothing was raised")
        return None

    async def is_alive(self) -> bool:
        """The kernel's process still runs."""
        return bool(await self._manager.is_alive())

    async def kill(self) -> None:
        """End the kernel and all it started, at once; its connections end with it."""
        if self._manager.has_kernel:
            await self._manager.signal_kernel(signal.SIGKILL)

    async def close(self) -> None:
        """End the kernel if it still runs, and remove what it left; takes a tenth of a second."""
        if self._manager.has_kernel:
            await self._manager.shutdown_kernel(now=True)
        self._client.stop_channels()
        shutil.rmtree(self._folder, ignore_errors=True)


class Kernels:
    """Starts a kernel ahead of its notebook, and cleans up behind it, while others run."""

    def __init__(self) -> None:
        self._ahead: tuple[Path, asyncio.Task[Kernel]] | None = None
        self._behind: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Kernels:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._drop_ahead()
        await asyncio.gather(*self._behind)

    def prepare(self, cwd: Path) -> None:
        """Begin to start a kernel for a notebook in that folder."""
        if self._ahead is None:
            self._ahead = (cwd, asyncio.create_task(Kernel.start(cwd)))

    async def take(self, cwd: Path) -> Kernel:
        """A kernel that is ready, the one started ahead if there is one."""
        if self._ahead and self._ahead[0] == cwd:
            _, starting = self._ahead
            self._ahead = None
            if await (kernel := await starting).is_alive():
                return kernel
            self._clean(kernel)
        await self._drop_ahead()
        return await Kernel.start(cwd)

    async def retire(self, kernel: Kernel) -> None:
        """End a kernel now, and clean up after it later."""
        await kernel.kill()
        self._clean(kernel)

    def _clean(self, kernel: Kernel) -> None:
        task = asyncio.create_task(kernel.close())
        self._behind.add(task)
        task.add_done_callback(self._behind.discard)

    async def _drop_ahead(self) -> None:
        if self._ahead is None:
            return
        _, starting = self._ahead
        self._ahead = None
        starting.cancel()
        (result,) = await asyncio.gather(starting, return_exceptions=True)
        if isinstance(result, Kernel):
            await result.close()


class _ThisPython(KernelSpecManager):
    """Knows one kernel, this interpreter: a user's own kernel named python3 must not step in."""

    def get_kernel_spec(self, _: str) -> KernelSpec:
        return KernelSpec(
            argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
            display_name="Python 3 (ipykernel)",
            language="python",
        )


def _socket_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="lab-k-"))
    if len(str(folder)) <= LONGEST_FOLDER:
        return folder
    folder.rmdir()
    return Path(tempfile.mkdtemp(prefix="lab-k-", dir="/tmp"))

"""An error nobody foresaw ends the process; a broken connection does not."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from meta1.doubt import Doubt


def test_errors_in_callbacks_stop_the_service() -> None:
    """The first unforeseen error is raised at the end; what the network does is not one."""

    async def run() -> None:
        service = SimpleNamespace(name="qmgr", stopping=asyncio.Event())
        doubt = Doubt(service)  # type: ignore[arg-type]
        loop = asyncio.get_running_loop()

        def fail(error: Exception) -> None:
            raise error

        loop.call_soon(fail, ConnectionResetError("peer"))
        await asyncio.sleep(0.01)
        doubt.raise_failure()
        assert not service.stopping.is_set()
        loop.call_soon(fail, KeyError("ours"))
        await asyncio.wait_for(service.stopping.wait(), 30)
        with pytest.raises(KeyError):
            doubt.raise_failure()

    asyncio.run(run())

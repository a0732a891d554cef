"""On the machine, as root: many connections at once, held open, while a friend sends mail; print figures as JSON.

Reads {"crowds": [{"source": address, "number": N, "lines": text, "times": T}, ...], "stopped": [program, ...],
"mark": text} from standard input. `lines` are sent `times` times by each connection that was greeted, which never
reads the answers. The programs named stand still (SIGSTOP) meanwhile. Prints

    greetings   for each crowd how many connections began with which code
    friend      seconds that a mail took before, during (null: refused or stuck) and after
    memory      KiB of smtps before, at the peak and after
    files       open files of smtps before, during and after
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import signal
import smtplib
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

OPENING = 100
"""Connections that are opened at the same time."""
FRIEND = "127.0.0.2"
RELEASE = 15.0

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def pids(name: str) -> list[int]:
    """Process ids of a program."""
    return [
        int(each)
        for each in subprocess.run(["pgrep", "-x", name], capture_output=True).stdout.split()
    ]


def memory() -> int:
    """KiB that smtps holds in memory."""
    texts = [Path(f"/proc/{pid}/status").read_text() for pid in pids("smtps")]
    return sum(int(text.split("VmRSS:")[1].split()[0]) for text in texts)


def files() -> int:
    """Open files of smtps."""
    return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids("smtps"))


def friend(mark: str) -> float | None:
    """Seconds that an honest mail takes, or None."""
    began = time.monotonic()
    try:
        with smtplib.SMTP("127.0.0.1", 25, "friend.example", 15, (FRIEND, 0)) as client:
            client.sendmail(
                "friend@elsewhere.example",
                ["alice@lab.example"],
                f"Subject: {mark}\r\n\r\nHello.\r\n",
            )
    except (smtplib.SMTPException, OSError):
        return None
    return round(time.monotonic() - began, 2)


async def connected(source: str) -> socket.socket:
    """A socket that takes little: what is not read waits in the server, not in the kernel."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    made.bind((source, 0))
    made.setblocking(False)
    await asyncio.get_running_loop().sock_connect(made, ("127.0.0.1", 25))
    return made


async def enter(source: str, gate: asyncio.Semaphore) -> tuple[str, Stream | None]:
    """One connection and the code it is greeted with."""
    async with gate:
        try:
            stream = await asyncio.open_connection(sock=await connected(source))
            line = await asyncio.wait_for(stream[0].readline(), 20)
        except (OSError, TimeoutError):
            return "none", None
    return line[:3].decode() or "none", stream


async def shout(stream: Stream, lines: bytes, times: int) -> None:
    """Send without reading, until the server takes no more for a while."""
    _, writer = stream
    with contextlib.suppress(OSError, TimeoutError):
        for _ in range(times):
            writer.write(lines)
            await asyncio.wait_for(writer.drain(), 4)


async def flood(wanted: dict[str, Any]) -> dict[str, object]:
    """The whole of it."""
    seconds = [await asyncio.to_thread(friend, wanted["mark"])]
    held, open_files = [memory()], [files()]
    still = [pid for name in wanted.get("stopped", []) for pid in pids(name)]
    gate = asyncio.Semaphore(OPENING)
    greetings, streams = [], []
    for crowd in wanted["crowds"]:
        entered = await asyncio.gather(
            *(enter(crowd["source"], gate) for _ in range(crowd["number"]))
        )
        greetings.append(Counter(code for code, _ in entered))
        streams += [(stream, crowd) for code, stream in entered if stream]
    try:
        for pid in still:
            os.kill(pid, signal.SIGSTOP)
        talking = [
            asyncio.create_task(shout(stream, crowd["lines"].encode(), crowd["times"]))
            for stream, crowd in streams if crowd.get("lines")
        ]  # fmt: skip
        peak = memory()
        while talking and not all(each.done() for each in talking):
            await asyncio.sleep(0.1)
            peak = max(peak, memory())
        held.append(max(peak, memory()))
        open_files.append(files())
        if not still:
            seconds.append(await asyncio.to_thread(friend, wanted["mark"]))
    finally:
        for pid in still:
            os.kill(pid, signal.SIGCONT)
    for (_, writer), _ in streams:
        writer.transport.abort()
    deadline = time.monotonic() + RELEASE
    while files() > open_files[0] + 2 and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
    open_files.append(files())
    held.append(memory())
    seconds.append(await asyncio.to_thread(friend, wanted["mark"]))
    return {"greetings": greetings, "friend": seconds, "memory": held, "files": open_files}


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (20000, 20000))
    print(json.dumps(asyncio.run(flood(json.load(sys.stdin)))))

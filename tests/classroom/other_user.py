"""Another user of this host, as which a test does something: what a trainee's sandbox is to the broker."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def as_user(uid: int, folder: Path, function: Callable[[], T], **environment: str) -> T:
    """What a function returns to that user, in that folder, which root enters for it; raises what it raises."""
    reading, writing = os.pipe()
    if child := os.fork():
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            answer = pipe.read()
        os.waitpid(child, 0)
        done, found = pickle.loads(answer)
        if not done:
            raise found
        result: T = found
        return result
    try:
        os.chdir(folder)
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        os.environ.update(environment)
        try:
            answer = pickle.dumps((True, function()))
        except Exception as error:  # to the one who waits
            answer = pickle.dumps((False, error))
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(answer)
    finally:
        os._exit(0)

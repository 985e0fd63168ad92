"""Ctrl-C at an exact moment: as a call into C returns, which is where Python looks for signals that came during it."""

from __future__ import annotations

import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

Hit = Callable[[Any], bool]


@contextmanager
def interrupted(hit: Hit, nth: int = 1) -> Iterator[list[str]]:
    """KeyboardInterrupt in this thread as the ``nth`` call for which ``hit`` is true comes back, its work done.

    Gives the names of the calls that were hit.
    """
    hits: list[str] = []

    def look(_: FrameType, event: str, called: Any) -> None:
        if event == "c_return" and len(hits) < nth and hit(called):
            hits.append(called.__qualname__)
            if len(hits) == nth:
                raise KeyboardInterrupt  # Python takes the profiler away when it raises: this happens once

    sys.setprofile(look)
    try:
        yield hits
    finally:
        sys.setprofile(None)


def statement(called: Any) -> bool:
    """True for each statement of a connection or cursor: in a write BEGIN is the first and COMMIT the last."""
    return called.__name__ == "execute" and isinstance(called.__self__, (sqlite3.Connection, sqlite3.Cursor))


def anything(_: Any) -> bool:
    """True for every call into C."""
    return True


def free(lock: Any) -> bool:
    """Whether another thread can have the lock."""
    got: list[bool] = []

    def take() -> None:
        got.append(lock.acquire(timeout=1))
        if got[0]:
            lock.release()

    other = threading.Thread(target=take)
    other.start()
    other.join()
    return got[0]

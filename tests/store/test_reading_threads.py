"""Connections for reading: one per thread, and none for threads that are gone."""

from __future__ import annotations

import threading
from pathlib import Path

from syncer import Workspace


def open_files(path: Path) -> int:
    """How many descriptors this process holds on the file."""
    held = 0
    for link in Path("/proc/self/fd").iterdir():
        try:
            held += link.readlink() == path
        except OSError:
            continue  # the one that lists them
    return held


def test_threads_that_ended_leave_no_connection(ws: Workspace) -> None:
    """A program that starts a thread for every read (``asyncio.run`` does) does not run out of files."""
    for _ in range(30):
        thread = threading.Thread(target=lambda: ws.plexus.find("Account"))
        thread.start()
        thread.join()
    assert open_files(ws.path.resolve()) <= 4
    assert ws.plexus.find("Account") == []


def test_threads_that_live_keep_theirs(ws: Workspace) -> None:
    """Tidying up after one thread does not take the connection of another."""
    begun, go_on = threading.Event(), threading.Event()
    found: list[int] = []

    def read_twice() -> None:
        found.append(len(ws.plexus.find("Account")))
        begun.set()
        go_on.wait(20)
        found.append(len(ws.plexus.find("Account")))

    living = threading.Thread(target=read_twice)
    living.start()
    assert begun.wait(20)
    for _ in range(3):
        short = threading.Thread(target=lambda: ws.plexus.find("Account"))
        short.start()
        short.join()
    go_on.set()
    living.join()
    assert found == [0, 0]

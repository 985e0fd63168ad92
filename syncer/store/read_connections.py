"""Connections that cannot write: one per thread, and none for threads that are gone."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from syncer.store import version
from syncer.store.file import connections, fork_safety, locks
from syncer.store.file.connections import Held

T = TypeVar("T")


class _Reader:
    """The connection of one thread. ``turn`` is held while it reads, lest another thread close it then."""

    __slots__ = ("connection", "files", "held", "is_open", "turn")

    def __init__(self, path: Path, busy_ms: int) -> None:
        version.must_exist(path)

        def prepare(connection: sqlite3.Connection) -> None:
            connection.execute("PRAGMA query_only=ON")
            version.check(connection, path)

        self.turn = threading.RLock()
        self.held: Held = connections.opened(path, connections.address(path), prepare, busy_ms=busy_ms)
        assert self.held.connection is not None
        assert self.held.files is not None
        self.connection, self.files = self.held.connection, self.held.files
        self.is_open = True

    def close(self, *, quietly: bool = False) -> None:
        with self.turn:
            self.is_open = False
            if quietly:
                connections.close_quietly(self.held)
            else:
                connections.close(self.held)


class Readers:
    """The reading connections of this process to one file."""

    def __init__(self, path: Path, busy_ms: int) -> None:
        self._path = path
        self._busy_ms = busy_ms
        self._local = threading.local()
        self._lock = threading.RLock()
        self._all: dict[threading.Thread, _Reader] = {}

    def read(self, work: Callable[[sqlite3.Connection], T], follow: Callable[[Held], object]) -> T:
        """Run ``work`` on the connection of this thread, made if need be; ``follow`` leaves files that were replaced.

        ``work`` is run once more where the files were not the same behind it as before: without our locks, another process
        may have written over what was being read. Raises: DatabaseError, sqlite3.Error.
        """
        while True:
            reader: _Reader | None = getattr(self._local, "reader", None)
            if reader is None:
                reader = self._added()
            since = locks.losses
            with reader.turn:
                if reader.is_open and reader.files.undisturbed(since):
                    try:
                        result = work(reader.connection)
                    except sqlite3.Error:
                        if not reader.files.distrust() and reader.files.undisturbed(since):
                            raise
                    else:
                        if reader.files.undisturbed(since):
                            return result
                if reader.is_open and reader.files.difference() is None:
                    continue  # a lock was dropped, and is set again
            self._local.reader = None
            if reader.is_open:
                follow(reader.held)
                reader.close(quietly=True)

    def _added(self) -> _Reader:
        with self._lock:
            me = threading.current_thread()
            for thread in [thread for thread in self._all if thread is me or not thread.is_alive()]:
                self._all[thread].close()
                del self._all[thread]
            reader = self._all[me] = _Reader(self._path, self._busy_ms)
        self._local.reader = reader
        return reader

    def close(self) -> None:
        """Close them all, each once what it reads is read. A thread that reads later gets a new one."""
        with self._lock:
            readers = list(self._all.items())
        for thread, reader in readers:
            reader.close()  # without the lock: others go on reading meanwhile
            with self._lock:
                if self._all.get(thread) is reader:
                    del self._all[thread]

    def leave(self, wait_s: float) -> bool:
        """Close them all, but without waiting for long, and without removing a log. False: one is open still."""
        with self._lock:
            for thread, reader in list(self._all.items()):
                if reader.turn.acquire(timeout=wait_s):
                    try:
                        reader.close(quietly=True)
                    finally:
                        reader.turn.release()
                    self._all.pop(thread, None)
            return not self._all

    def before_fork(self, wait_s: float) -> None:
        """Close them all and make none until the fork is over. May be done again where it was broken off."""
        fork_safety.acquired(self._lock, wait_s)
        for thread, reader in list(self._all.items()):
            if reader.turn.acquire(timeout=wait_s):
                try:
                    reader.close()
                finally:
                    reader.turn.release()
                self._all.pop(thread, None)

    def after_fork_in_parent(self) -> None:
        """The fork is over."""
        fork_safety.released(self._lock)

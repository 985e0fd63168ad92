"""Connections that cannot write: one per thread, and none for threads that are gone."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from syncer.store import forks, version
from syncer.store.place import Place

T = TypeVar("T")


class _Reader:
    """The connection of one thread. ``turn`` is held while it reads, lest another thread close it then."""

    __slots__ = ("connection", "is_open", "place", "turn")

    def __init__(self, path: Path, busy_ms: int) -> None:
        forks.require_clean(path)
        version.must_exist(path)
        self.place = Place(path)
        self.turn = threading.RLock()
        self.is_open = True
        self.connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            self.connection.execute(f"PRAGMA busy_timeout={busy_ms}")
            self.connection.execute("PRAGMA query_only=ON")
            version.check(self.connection, path)
        except BaseException:
            self.connection.close()
            raise

    def close(self) -> None:
        with self.turn:
            self.is_open = False
            self.connection.close()


class Readers:
    """The reading connections of this process to one file."""

    def __init__(self, path: Path, busy_ms: int) -> None:
        self._path = path
        self._busy_ms = busy_ms
        self._local = threading.local()
        self._lock = threading.Lock()
        self._all: dict[threading.Thread, _Reader] = {}

    def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work`` on the connection of this thread, made if need be. Raises: DatabaseError, sqlite3.Error."""
        while True:
            reader: _Reader | None = getattr(self._local, "reader", None)
            if reader is None:
                reader = self._added()
            with reader.turn:
                if reader.is_open and not reader.place.is_left():
                    return work(reader.connection)
            self._local.reader = None
            if reader.is_open:
                reader.close()
                raise reader.place.gone()

    def _added(self) -> _Reader:
        with self._lock:
            reader = _Reader(self._path, self._busy_ms)
            gone = [self._all.pop(thread) for thread in list(self._all) if not thread.is_alive()]
            before = self._all.pop(threading.current_thread(), None)
            self._all[threading.current_thread()] = reader
        self._local.reader = reader
        for one in gone if before is None else (*gone, before):
            one.close()
        return reader

    def close(self) -> None:
        """Close them all, each once what it reads is read. A thread that reads later gets a new one."""
        with self._lock:
            readers = list(self._all.values())
            self._all.clear()
        for reader in readers:
            reader.close()

    def part(self, wait_s: float) -> bool:
        """Before a fork: as :meth:`close`, but not for long, and none is made until :meth:`rejoin`. False: one is open."""
        self._lock.acquire()
        for thread, reader in list(self._all.items()):
            if reader.turn.acquire(timeout=wait_s):
                reader.close()
                reader.turn.release()
                del self._all[thread]
        return not self._all

    def rejoin(self) -> None:
        """The fork is over, and this is the parent."""
        self._lock.release()

    @property
    def connections(self) -> list[sqlite3.Connection]:
        """Those that are open, of whatever thread."""
        return [reader.connection for reader in self._all.values()]

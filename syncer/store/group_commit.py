"""Writes of many threads in one commit: the first that gets its turn does the work of all that wait.

Each has its own savepoint, so that one that fails takes nobody with it. A signal (Ctrl-C) that reaches the thread at work is
that thread's alone: what the others have asked for is durable by then, or goes back into the queue.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from syncer.errors import DatabaseError

if TYPE_CHECKING:
    from syncer.store.transaction import Transaction

T = TypeVar("T")


class Begin(Protocol):
    """Makes a transaction; ``look``: at files that may have been replaced, before it is begun."""

    def __call__(self, *, look: bool) -> AbstractContextManager[Transaction]:
        """The transaction, to be used by ``with``."""
        ...


class Moved(DatabaseError):
    """The files are not what they were; nothing was stored. What is run again finds those that are there now."""


_MOST_JOBS_A_COMMIT = 512
_OWN = (
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_CONSTRAINT,
    sqlite3.SQLITE_MISMATCH,
    sqlite3.SQLITE_TOOBIG,
    sqlite3.SQLITE_RANGE,
)
"""What SQLite says of a statement; all else (disk full, locked, damaged) concerns everybody."""


class _Job:
    __slots__ = ("error", "group", "result", "work")

    def __init__(self, work: Callable[[Transaction], Any]) -> None:
        self.work = work
        self.group: _Group | None = None
        self.result: Any = None
        self.error: BaseException | None = None


class _Group:
    """Jobs of one commit. ``ended``: their results and errors stand; one word for all, so that no interrupt can halve it."""

    def __init__(self) -> None:
        self.jobs: Sequence[_Job] = ()
        self.ended = False

    def run(self, begin: Begin, *, again: bool = False) -> None:
        for job in self.jobs:
            job.group, job.error = self, None
        tx: Transaction | None = None
        try:
            with begin(look=again) as tx:
                if len(self.jobs) == 1:
                    self.jobs[0].result = self.jobs[0].work(tx)
                else:
                    for job in self.jobs:
                        _run_apart(tx, job)
        except BaseException as exc:
            if isinstance(exc, Moved) and not again:
                self.run(begin, again=True)
                return
            durable = tx is not None and tx.durable
            if durable or not isinstance(exc, Exception):
                self.ended = durable
                raise
            for job in self.jobs:
                job.error = job.error or exc
        self.ended = True


class GroupCommit:
    """The queue of one file."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queue: list[_Job] = []

    def __len__(self) -> int:
        return len(self._queue)

    def do(self, work: Callable[[Transaction], T], turn: AbstractContextManager[object], begin: Begin) -> T:
        """Run ``work`` in a transaction, with whatever else waits; its result once that is durable.

        ``turn`` is held by who works the queue off, ``begin`` makes a transaction. ``work`` may be run once more after a
        transaction that was undone: it must not remember what it found.
        """
        job = _Job(work)
        try:
            with self._lock:
                self._queue.append(job)
            with turn:
                while job.group is None or not job.group.ended:
                    self._work_off(job, begin)
        except BaseException:
            with self._lock:  # whoever repeats what was interrupted must not find it done later
                self._queue = [other for other in self._queue if other is not job]
            raise
        if job.error is not None:
            raise job.error
        result: T = job.result
        return result

    def _work_off(self, own: _Job, begin: Begin) -> None:
        group = _Group()
        try:
            with self._lock:
                group.jobs, self._queue = self._queue[:_MOST_JOBS_A_COMMIT], self._queue[_MOST_JOBS_A_COMMIT:]
            group.run(begin)
        except BaseException:
            if not group.ended:
                with self._lock:
                    self._queue = [job for job in group.jobs if job is not own] + self._queue
            raise


def is_of_one(exc: sqlite3.Error) -> bool:
    """Whether ``exc`` is about a statement, and not about the file."""
    return (getattr(exc, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF) in _OWN


def _run_apart(tx: Transaction, job: _Job) -> None:
    try:
        with tx.savepoint():
            job.result = job.work(tx)
    except sqlite3.Error as exc:
        if not is_of_one(exc):
            raise
        job.error = exc
    except Exception as exc:  # noqa: BLE001 - handed to its own caller
        job.error = exc

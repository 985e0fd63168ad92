"""The writing side of the file: one writer connection per process, and what a transaction is.

Every transaction is ``BEGIN IMMEDIATE``: SQLite has one writer, and learning at commit that somebody else wrote first would
be too late. Nothing in here spans the network.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa

from syncer import failpoints
from syncer.store import version
from syncer.store.faults import translating
from syncer.store.place import Place
from syncer.store.statement import Parameters, given, touched
from syncer.store.statement import Statement as Statement

T = TypeVar("T")

BUSY_MS = 10_000
_PAGE_CACHE_KIB = 65_536
_MOST_JOBS_A_COMMIT = 512


class Transaction:
    """An open write transaction. Parameters come by name, or as a tuple in the order of the text."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._cursor = connection.cursor()

    def run(self, statement: Statement, parameters: Parameters = ()) -> int:
        """Execute; the number of rows touched."""
        values = given(statement, parameters)
        return self._cursor.execute(statement.text, values).rowcount

    def must(self, statement: Statement, parameters: Parameters, count: int = 1) -> None:
        """Execute for ``count`` rows. Raises: DatabaseError when it were not as many: something would be lost."""
        touched(self.run(statement, parameters), count)

    def add(self, statement: Statement, parameters: Parameters) -> int:
        """Execute an insert; the new row's number. Raises: DatabaseError."""
        self.must(statement, parameters)
        return self._cursor.lastrowid or 0

    def many(self, statement: Statement, rows: Iterable[Sequence[Any]]) -> int:
        """Execute for every tuple of ``rows``; the number of rows touched."""
        return self._cursor.executemany(statement.text, rows).rowcount

    def all(self, statement: Statement, parameters: Parameters = ()) -> list[tuple[Any, ...]]:
        """Rows of a select."""
        values = given(statement, parameters)
        return self._cursor.execute(statement.text, values).fetchall()

    def one(self, statement: Statement, parameters: Parameters = ()) -> tuple[Any, ...] | None:
        """The first row of a select, or None."""
        values = given(statement, parameters)
        row: tuple[Any, ...] | None = self._cursor.execute(statement.text, values).fetchone()
        return row

    def rows(self, text: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Rows of a select made on the spot."""
        return self._cursor.execute(text, parameters).fetchall()

    def script(self, sql: str) -> None:
        """One fixed statement without parameters."""
        self._cursor.execute(sql)


class _Job:
    __slots__ = ("done", "error", "result", "work")

    def __init__(self, work: Callable[[Transaction], Any]) -> None:
        self.work = work
        self.done = False
        self.result: Any = None
        self.error: BaseException | None = None


class Database:
    """The local file, opened for writing. Safe from many threads; a forked child gets its own connection."""

    def __init__(self, path: Path, *, durability: str = "full", busy_ms: int = BUSY_MS) -> None:
        self.path = path
        self._durability = durability
        self._busy_ms = busy_ms
        self._start()

    def _start(self) -> None:
        self._pid = os.getpid()
        self._turn = threading.RLock()
        self._queue_lock = threading.Lock()
        self._queue: list[_Job] = []
        self._connection: sqlite3.Connection | None = None
        self._place: Place | None = None
        self._readers: dict[threading.Thread, sqlite3.Connection] = {}
        self._local = threading.local()

    @cached_property
    def engine(self) -> sa.Engine:
        """A SQLAlchemy engine on the same file, for callers who prefer Core or the ORM, and for migrations."""
        engine = sa.create_engine(sa.URL.create("sqlite", database=str(self.path)), poolclass=sa.pool.NullPool)
        sa.event.listen(engine, "connect", lambda raw, _: self._prepare(raw))
        sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
        return engine

    def _prepare(self, raw: sqlite3.Connection) -> None:
        raw.isolation_level = None
        raw.execute(f"PRAGMA busy_timeout={self._busy_ms}")
        raw.execute("PRAGMA journal_mode=WAL")
        raw.execute(f"PRAGMA synchronous={self._durability.upper()}")
        raw.execute("PRAGMA foreign_keys=ON")
        raw.execute(f"PRAGMA cache_size=-{_PAGE_CACHE_KIB}")
        raw.execute("PRAGMA wal_autocheckpoint=4000")

    def _open(self) -> sqlite3.Connection:
        if self._pid != os.getpid():
            # A fork shares the file descriptor; SQLite forbids using, and even closing, the parent's connection.
            _abandoned.extend((self._connection, *self._readers.values()))
            self._start()
        if self._connection is None:
            version.must_exist(self.path)
            place = Place(self.path)
            connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
            try:
                connection.execute(f"PRAGMA busy_timeout={self._busy_ms}")
                version.check(connection, self.path)  # before a pragma could change somebody else's file
                self._prepare(connection)
            except BaseException:
                connection.close()
                raise
            self._connection, self._place = connection, place
        self._stay()
        return self._connection

    def _stay(self) -> None:
        """Let go of a file that the path no longer leads to; the next call opens what is there. Raises: DatabaseError."""
        if self._connection is not None and self._place is not None and self._place.is_left():
            self._connection.close()  # undoes what was not committed
            self._connection = None
            raise self._place.gone()

    @property
    def in_transaction(self) -> bool:
        """True while this process holds a write transaction."""
        return self._connection is not None and self._connection.in_transaction

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """A write transaction: committed at the end of the block, undone when it raises. Raises: DatabaseError."""
        with self._turn, translating(self.path):
            connection = self._open()
            if connection.in_transaction:
                raise RuntimeError("transactions do not nest")
            connection.execute("BEGIN IMMEDIATE")
            try:
                version.unchanged(connection, self.path)
                yield Transaction(connection)
                failpoints.reached("before-commit")
                self._stay()
                connection.execute("COMMIT")
                failpoints.reached("after-commit")
            except BaseException:
                # After "disk full" SQLite has undone the transaction on its own.
                if self._connection is not None and connection.in_transaction:
                    with suppress(sqlite3.Error):
                        connection.execute("ROLLBACK")
                raise

    def write(self, work: Callable[[Transaction], T]) -> T:
        """Run ``work`` in a transaction and return its result once that is durable.

        Threads that write at the same time share one commit: the first to get its turn does the work of all that wait, each
        in its own savepoint, so that one that fails takes nobody with it.
        """
        if self._pid != os.getpid():
            self._open()
        job = _Job(work)
        with self._queue_lock:
            self._queue.append(job)
        with self._turn:
            while not job.done:
                with self._queue_lock:
                    jobs = self._queue[:_MOST_JOBS_A_COMMIT]
                    del self._queue[:_MOST_JOBS_A_COMMIT]
                self._commit(jobs)
        if job.error is not None:
            raise job.error
        result: T = job.result
        return result

    def _commit(self, jobs: list[_Job]) -> None:
        try:
            with self.transaction() as tx:
                if len(jobs) == 1:
                    jobs[0].result = jobs[0].work(tx)
                else:
                    for job in jobs:
                        _run_apart(tx, job)
        except BaseException as exc:  # noqa: BLE001 - handed to every caller whose work was undone
            for job in jobs:
                job.error = job.error or exc
        for job in jobs:
            job.done = True

    def read(self, work: Callable[[Transaction], T]) -> T:
        """Run ``work`` on a connection that cannot write, one per thread; it never waits for a writer."""
        with translating(self.path):
            connection = self._reading()
            version.unchanged(connection, self.path)
            return work(Transaction(connection))

    def _reading(self) -> sqlite3.Connection:
        if self._pid != os.getpid():
            self._open()
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is not None and self._local.place.is_left():
            connection.close()
            self._local.connection = None
            raise self._local.place.gone()
        if connection is None:
            version.must_exist(self.path)
            place = Place(self.path)
            connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
            try:
                connection.execute(f"PRAGMA busy_timeout={self._busy_ms}")
                connection.execute("PRAGMA query_only=ON")
                version.check(connection, self.path)
            except BaseException:
                connection.close()
                raise
            self._local.connection, self._local.place = connection, place
            with self._queue_lock:
                for gone in [thread for thread in self._readers if not thread.is_alive()]:
                    self._readers.pop(gone).close()
                self._readers[threading.current_thread()] = connection
        return connection

    def close(self) -> None:
        """Close the connections; the write-ahead log is folded into the file when nobody else has it open."""
        with self._turn:
            if self._pid == os.getpid():
                for reader in self._readers.values():
                    reader.close()
                if self._connection is not None:
                    self._connection.close()
            self._start()
            if "engine" in self.__dict__:
                self.engine.dispose()


_abandoned: list[sqlite3.Connection | None] = []


def _run_apart(tx: Transaction, job: _Job) -> None:
    tx.script("SAVEPOINT job")
    try:
        job.result = job.work(tx)
    except sqlite3.OperationalError:
        raise  # disk full and the like concern everyone
    except Exception as exc:  # noqa: BLE001 - handed to its own caller
        job.error = exc
        tx.script("ROLLBACK TO job")
    tx.script("RELEASE job")

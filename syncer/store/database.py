"""The writing side of the file: one writer connection per process, and what a transaction is.

Every transaction is ``BEGIN IMMEDIATE``: SQLite has one writer, and learning at commit that somebody else wrote first would
be too late. Nothing in here spans the network.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa

from syncer import failpoints
from syncer.errors import DatabaseError
from syncer.store import forks, version
from syncer.store.faults import translating
from syncer.store.place import Place
from syncer.store.readers import Readers
from syncer.store.statement import Parameters, given, touched
from syncer.store.statement import Statement as Statement
from syncer.store.together import Together

T = TypeVar("T")

BUSY_MS = 10_000
_PAGE_CACHE_KIB = 65_536


class Transaction:
    """An open write transaction. Parameters come by name, or as a tuple in the order of the text.

    ``begun``: whether there is one in SQLite, or each statement stands for itself. ``durable``: it was committed.
    """

    def __init__(self, connection: sqlite3.Connection, *, begun: bool = False) -> None:
        self._connection = connection
        self._cursor = connection.cursor()
        self._begun = begun
        self.durable = False

    def require(self) -> None:
        """Raises: DatabaseError when SQLite has undone the transaction on its own: what follows would stand for itself."""
        if self._begun and not self._connection.in_transaction:
            raise DatabaseError(
                "the database has undone the transaction after an error in it; nothing of it is stored",
                hint="let the error end the block, and repeat the whole of it",
            )

    @contextmanager
    def apart(self) -> Iterator[None]:
        """A part of the transaction that is undone by itself when it raises, for callers who go on then."""
        self.require()
        self._cursor.execute("SAVEPOINT part")
        try:
            yield
        except BaseException:
            if self._connection.in_transaction:  # after "disk full" SQLite has undone everything on its own
                self._cursor.execute("ROLLBACK TO part")
                self._cursor.execute("RELEASE part")
            raise
        self._cursor.execute("RELEASE part")

    def run(self, statement: Statement, parameters: Parameters = ()) -> int:
        """Execute; the number of rows touched."""
        self.require()
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
        self.require()
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


class Database:
    """The local file, opened for writing. Safe from many threads; a forked child opens it for itself."""

    def __init__(self, path: Path, *, durability: str = "full", busy_ms: int = BUSY_MS) -> None:
        self.path = path
        self._durability = durability
        self._busy_ms = busy_ms
        self._start()
        forks.keep(self)

    def _start(self) -> None:
        self.turn = threading.RLock()
        """Held by the thread that writes."""
        self._connection: sqlite3.Connection | None = None
        self._place: Place | None = None
        self._holder: int | None = None  # the thread that is inside a transaction
        self._parted = False
        self._readers = Readers(self.path, self._busy_ms)
        self._together = Together()

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
        if self._connection is None:
            forks.require_clean(self.path)
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
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")  # an interrupt came while it was being undone
        return self._connection

    def _stay(self) -> None:
        """Let go of a file that the path no longer leads to; the next call opens what is there. Raises: DatabaseError."""
        if self._connection is not None and self._place is not None and self._place.is_left():
            self._let_go()
            raise self._place.gone()

    def _let_go(self) -> None:
        if self._connection is not None:
            self._connection.close()  # undoes what was not committed
            self._connection = None

    @property
    def in_transaction(self) -> bool:
        """True while this process holds a write transaction."""
        return self._connection is not None and self._connection.in_transaction

    @property
    def waiting(self) -> int:
        """How many writes of other threads wait for the turn."""
        return len(self._together)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """A write transaction: committed at the end of the block, undone when it raises. Raises: DatabaseError."""
        self._refuse_nesting()
        with self.turn, translating(self.path):
            connection = self._open()
            tx = Transaction(connection, begun=True)
            committing = False
            try:
                self._holder = threading.get_ident()
                connection.execute("BEGIN IMMEDIATE")
                version.unchanged(connection, self.path)
                yield tx
                failpoints.reached("before-commit")
                self._stay()
                self._require_ours(connection)
                tx.require()
                committing = True
                connection.execute("COMMIT")
                tx.durable = True
                failpoints.reached("after-commit")
            except BaseException as exc:
                if connection is self._connection:  # else it was closed, or is the parent's of a forked child
                    # A signal during the commit is raised behind it.
                    tx.durable = committing and not (connection.in_transaction or isinstance(exc, sqlite3.Error))
                    if connection.in_transaction:  # after "disk full" SQLite has undone it on its own
                        with suppress(sqlite3.Error):
                            connection.execute("ROLLBACK")
                raise
            finally:
                self._holder = None

    def _refuse_nesting(self) -> None:
        if self._holder == threading.get_ident():
            raise RuntimeError("transactions do not nest")

    def _require_ours(self, connection: sqlite3.Connection) -> None:
        if connection is not self._connection:
            raise DatabaseError(
                "the workspace was closed, or its process forked, inside a transaction; nothing of it is stored from here",
                record=str(self.path),
                hint="end the transaction first",
            )

    def write(self, work: Callable[[Transaction], T]) -> T:
        """Run ``work`` in a transaction, maybe with others' (:mod:`syncer.store.together`); its result once durable."""
        self._refuse_nesting()
        with translating(self.path):
            return self._together.do(work, self.turn, self.transaction)

    def read(self, work: Callable[[Transaction], T]) -> T:
        """Run ``work`` on a connection that cannot write, one per thread; it never waits for a writer."""
        with translating(self.path):
            return self._readers.read(lambda connection: self._seen(work, connection))

    def _seen(self, work: Callable[[Transaction], T], connection: sqlite3.Connection) -> T:
        version.unchanged(connection, self.path)
        return work(Transaction(connection))

    def close(self) -> None:
        """Close the connections; the write-ahead log is folded into the file when nobody else has it open.

        What other threads are reading and writing comes to its end; who uses it later opens the file again.
        """
        self._readers.close()
        with self.turn:
            self._let_go()
            if "engine" in self.__dict__:
                self.engine.dispose()

    def part(self, wait_s: float) -> bool:
        """Before a fork; see :class:`syncer.store.forks.Kept`."""
        closed = self._readers.part(wait_s)
        self._parted = self._holder != threading.get_ident() and self.turn.acquire(timeout=wait_s)
        if self._parted:
            self._let_go()
        return closed and self._connection is None

    def rejoin(self) -> None:
        """After it, in the parent."""
        if self._parted:
            self.turn.release()
        self._readers.rejoin()

    def begin_anew(self) -> None:
        """After it, in the child."""
        _abandoned.extend((self._connection, *self._readers.connections))
        self._start()


_abandoned: list[sqlite3.Connection | None] = []

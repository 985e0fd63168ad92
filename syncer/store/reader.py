"""Reading the file without the weight of the writing side: standard library only, and unable to write.

Used by ``query``, ``status``, ``tables`` and the like, which must start fast and must not be able to change anything.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from syncer.errors import DatabaseBusy, DatabaseError, QueryError
from syncer.store import version
from syncer.store.errors import translated, translating
from syncer.store.file import connections, locks
from syncer.store.file.connections import Held

T = TypeVar("T")

_READS = 3  # of one statement, where a lock was dropped meanwhile
_STEPS_BETWEEN_LOOKS = 20_000
_LONGEST_VALUE = 100_000_000  # bytes; SQLite's own limit lets one function take gigabytes, and does not look at the clock
_ALLOWED = frozenset(
    (
        sqlite3.SQLITE_SELECT,
        sqlite3.SQLITE_READ,
        sqlite3.SQLITE_FUNCTION,
        sqlite3.SQLITE_RECURSIVE,
        sqlite3.SQLITE_TRANSACTION,
    )
)
_PRAGMAS = frozenset(("table_info", "table_xinfo", "index_list", "index_info", "table_list", "foreign_key_list"))


class Rows(list[dict[str, Any]]):
    """The rows of a query as dicts, with ``columns`` in order (also when there are no rows) and ``truncated``.

    Columns that share a name get ``:2``, ``:3`` ... appended, so that none is lost.
    """

    def __init__(self, columns: Sequence[str], tuples: Sequence[tuple[Any, ...]], *, truncated: bool = False) -> None:
        self.columns = _distinct(columns)
        self.truncated = truncated
        super().__init__(dict(zip(self.columns, values, strict=True)) for values in tuples)


class Reader:
    """A connection that cannot write. Raises the errors of :mod:`syncer.errors`."""

    def __init__(self, path: Path, *, busy_ms: int = 5000) -> None:
        self.path = path
        version.must_exist(path)
        self._settled = _settled(path)

        def prepare(connection: sqlite3.Connection) -> None:
            connection.execute("PRAGMA query_only=ON")
            version.check(connection, path)

        with translating(path):
            self._held = opened_for_reading(path, prepare, busy_ms=busy_ms, settled=self._settled is not None)

    @property
    def _connection(self) -> sqlite3.Connection:
        assert self._held.connection is not None
        return self._held.connection

    def all(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of one of our own statements."""
        with translating(self.path):
            return self._of_one_time(lambda: self._connection.execute(sql, parameters).fetchall())

    def one(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> tuple[Any, ...] | None:
        """The first row of one of our own statements, or None."""
        with translating(self.path):
            row: tuple[Any, ...] | None = self._of_one_time(lambda: self._connection.execute(sql, parameters).fetchone())
            return row

    def query(
        self,
        sql: str,
        parameters: Sequence[Any] | Mapping[str, Any] | None = None,
        *,
        limit: int | None = None,
        timeout_s: float | None = None,
    ) -> Rows:
        """Rows of a caller's SQL: one reading statement, at most ``limit`` rows, stopped after ``timeout_s`` seconds.

        Raises: QueryError, with near names when a table or column is misspelt.
        """
        try:
            with self._guarded(timeout_s):
                cursor, tuples = self._of_one_time(lambda: self._fetched(sql, parameters, limit))
        except (sqlite3.Error, sqlite3.Warning, OverflowError, ValueError) as exc:
            raise self._explained(exc, timeout_s) from exc
        if cursor.description is None:
            raise QueryError("that is no query", hint="query takes one SELECT (or WITH ... SELECT)")
        columns = [column[0] for column in cursor.description]
        truncated = limit is not None and len(tuples) > limit
        return Rows(columns, tuples[:limit] if truncated else tuples, truncated=truncated)

    @contextmanager
    def reading(
        self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] | None = None, *, timeout_s: float | None = None
    ) -> Iterator[tuple[list[str], Iterator[tuple[Any, ...]]]]:
        """Column names, and the rows one by one, so that any number of them can be passed on. Else like :meth:`query`."""
        try:
            with self._guarded(timeout_s):
                cursor = self._connection.execute(sql, parameters if parameters is not None else ())
                if cursor.description is None:
                    raise QueryError("that is no query", hint="query takes one SELECT (or WITH ... SELECT)")
                yield _distinct([column[0] for column in cursor.description]), cursor
        except (sqlite3.Error, sqlite3.Warning, OverflowError, ValueError) as exc:
            raise self._explained(exc, timeout_s) from exc
        self._of_one_time(lambda: None)

    @contextmanager
    def _guarded(self, timeout_s: float | None) -> Iterator[None]:
        """A caller's SQL may read, and only for so long."""
        self._connection.set_authorizer(_reading_only)
        longest = self._connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_VALUE)
        if timeout_s is not None:
            self._connection.set_progress_handler(_stopper(time.monotonic() + timeout_s), _STEPS_BETWEEN_LOOKS)
        try:
            yield
        finally:
            with suppress(sqlite3.ProgrammingError):  # an interrupt came, and it was closed
                self._connection.set_authorizer(None)
                self._connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, longest)
                self._connection.set_progress_handler(None, 0)

    def names(self) -> dict[str, list[str]]:
        """Column names by table and view."""
        tables = self.all("SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%'")
        return {
            table: [row[0] for row in self.all("SELECT name FROM pragma_table_info(?)", (table,))]
            for (table,) in sorted(tables)
        }

    def _explained(self, exc: Exception, timeout_s: float | None) -> QueryError | DatabaseError:
        text = str(exc)
        if isinstance(exc, sqlite3.Error) and not isinstance(exc, sqlite3.ProgrammingError):
            error = translated(exc, self.path)
            if type(error) is not DatabaseError:
                return error
        if text == "interrupted":
            return QueryError(f"the query ran longer than {timeout_s:g} s and was stopped", hint="--timeout allows more")
        if "not authorized" in text or "prohibited" in text:
            return QueryError("a query can only read", why=text, hint="write through Workspace, so that it is synced")
        if "one statement at a time" in text:
            return QueryError("one statement at a time", hint="leave out what follows the first ;")
        return QueryError("SQLite refused the query", why=text, hint=self._near(text))

    def _near(self, text: str) -> str | None:
        from syncer.suggest import near

        what, _, name = text.partition(": ")
        name = name.rpartition(".")[2]
        names = self.names()
        if what == "no such table":
            return near(name, names) or "syncer tables lists what there is"
        if what == "no such column":
            return near(name, {c for columns in names.values() for c in columns}) or "syncer schema TABLE lists columns"
        return None

    def copy(self, target: sqlite3.Connection) -> None:
        """Write the whole database as it is now into ``target``; others may write meanwhile."""
        self._connection.backup(target)

    def _fetched(
        self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] | None, limit: int | None
    ) -> tuple[sqlite3.Cursor, list[tuple[Any, ...]]]:
        cursor = self._connection.execute(sql, parameters if parameters is not None else ())
        return cursor, cursor.fetchall() if limit is None else cursor.fetchmany(limit + 1)

    def _of_one_time(self, read: Callable[[], T]) -> T:
        """What ``read`` gives; read again where it may be of two times. Raises: DatabaseBusy where that does not help.

        Where nothing can be written beside the file, SQLite takes no part in the locks of those who write to it. And without
        the locks that a plain read of the file by this program has dropped, another process may write over what is read.
        """
        assert self._held.files is not None
        for _ in range(_READS):
            since = locks.losses
            try:
                result = read()
            except sqlite3.Error:
                if self._is_same(since):
                    raise
            else:
                if self._is_same(since):
                    return result
            if self._settled is not None or self._held.files.difference() is not None:
                break
        raise DatabaseBusy(
            "the database was being written while it was read, so the rows may be of two different times",
            record=str(self.path),
            hint="run it again; a user who may write to the folder of the database can always read",
        )

    def _is_same(self, since: int) -> bool:
        if self._settled is not None:
            return _settled(self.path) == self._settled
        return self._held.files is not None and self._held.files.undisturbed(since)

    def close(self) -> None:
        """Close the connection."""
        connections.close(self._held)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def opened_for_reading(
    path: Path, prepare: connections.Prepare, *, busy_ms: int = connections.BUSY_MS, settled: bool | None = None
) -> Held:
    """A connection that cannot write. What another program left half written beside the file is undone first.

    ``settled``: read the file as it stands, without its log; asked of the folder unless given. Raises: as
    :func:`connections.opened`.
    """
    if settled is None:
        settled = _settled(path) is not None
    uri = connections.address(path, "ro") + ("&immutable=1" if settled else "")
    try:
        return connections.opened(path, uri, prepare, busy_ms=busy_ms)
    except (sqlite3.Error, DatabaseError) as exc:
        cause = exc if isinstance(exc, sqlite3.Error) else exc.__cause__
        if getattr(cause, "sqlite_errorcode", None) != sqlite3.SQLITE_READONLY_ROLLBACK:
            raise
    undoing = connections.opened(path, connections.address(path), _looked_at, busy_ms=busy_ms)
    connections.close(undoing)
    return connections.opened(path, uri, prepare, busy_ms=busy_ms)


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that cannot write, for the length of the block."""
    one = opened_for_reading(path, _looked_at)
    try:
        assert one.connection is not None
        yield one.connection
    finally:
        connections.close(one)


def _looked_at(connection: sqlite3.Connection) -> None:
    connection.execute("SELECT count(*) FROM sqlite_master").fetchone()


def _settled(path: Path) -> tuple[int, ...] | None:
    """What tells one state of the file from the next, where it must be read as it stands; None where SQLite can lock it.

    A write-ahead log needs a folder that can be written; a file without one, in a folder that cannot, is read as it stands.
    """
    real = path.resolve()  # the log lies beside the file, not beside a link to it
    if os.access(real.parent, os.W_OK) or real.with_name(real.name + "-wal").exists():
        return None
    found = real.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _reading_only(action: int, first: str | None, *_: str | None) -> int:
    if action in _ALLOWED:
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_PRAGMA and first in _PRAGMAS:
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY


def _stopper(deadline: float) -> Callable[[], int]:
    return lambda: int(time.monotonic() > deadline)


def _distinct(columns: Sequence[str]) -> list[str]:
    seen: dict[str, int] = {}
    distinct = []
    for name in columns:
        seen[name] = seen.get(name, 0) + 1
        distinct.append(name if seen[name] == 1 else f"{name}:{seen[name]}")
    return distinct

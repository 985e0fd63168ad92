"""An open transaction: how statements reach SQLite, and what is known of the transaction's end.

A statement is SQL text for the driver's own cursor, its parameters, and whether it did what it was
to do.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from syncer.errors import DatabaseError


class Transaction:
    """An open write transaction. Parameters come by name, or as a tuple in the order of the text.

    ``begun``: whether there is one in SQLite, or each statement stands for itself. ``durable``: it was committed.
    """

    def __init__(self, connection: sqlite3.Connection, *, begun: bool = False) -> None:
        self._connection = connection
        self._cursor = connection.cursor()
        self._begun = begun
        self.durable = False

    def close(self) -> None:
        """Let go of the connection: SQLite keeps one open, behind its close, of which a statement is kept."""
        with suppress(sqlite3.ProgrammingError):  # the connection was closed inside the transaction
            self._cursor.close()

    def require(self) -> None:
        """Raises: DatabaseError when SQLite has undone the transaction on its own: what follows would stand for itself."""
        if self._begun and not self._connection.in_transaction:
            raise DatabaseError(
                "the database has undone the transaction after an error in it; nothing of it is stored",
                hint="let the error end the block, and repeat the whole of it",
            )

    @contextmanager
    def savepoint(self) -> Iterator[None]:
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

    def run_exactly(self, statement: Statement, parameters: Parameters, count: int = 1) -> None:
        """Execute for ``count`` rows. Raises: DatabaseError when it were not as many: something would be lost."""
        touched(self.run(statement, parameters), count)

    def add(self, statement: Statement, parameters: Parameters) -> int:
        """Execute an insert; the new row's number. Raises: DatabaseError."""
        self.run_exactly(statement, parameters)
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


Parameters: TypeAlias = Mapping[str, Any] | Sequence[Any]


class Statement:
    """SQL text made once from a SQLAlchemy construct, for the driver's own cursor.

    Core's execution costs more than SQLite does on a single write; its compiler is what we keep.
    """

    def __init__(self, construct: sa.sql.ClauseElement | Callable[[], sa.sql.ClauseElement]) -> None:
        self._construct = construct

    @cached_property
    def _compiled(self) -> tuple[str, tuple[str, ...], Mapping[str, Any]]:
        construct = self._construct
        element = construct if isinstance(construct, sa.sql.ClauseElement) else construct()
        compiled = element.compile(dialect=SQLiteDialect_pysqlite())
        return str(compiled), tuple(getattr(compiled, "positiontup", None) or ()), compiled.params

    @property
    def text(self) -> str:
        """The SQL."""
        return self._compiled[0]

    def ordered(self, parameters: Mapping[str, Any]) -> tuple[Any, ...]:
        """``parameters`` in the order of the text's question marks; those given in the construct need not be named."""
        _, names, fixed = self._compiled
        return tuple(parameters[name] if name in parameters else fixed[name] for name in names)


def given(statement: Statement, parameters: Parameters) -> Sequence[Any]:
    """``parameters`` as the driver wants them."""
    if isinstance(parameters, Mapping):
        return statement.ordered(parameters)
    return parameters or statement.ordered({})


def touched(rows: int, wanted: int) -> None:
    """Raises: DatabaseError unless a statement touched all it was to: a trigger can keep rows out without a word."""
    if rows != wanted:
        raise DatabaseError(
            f"the database took {rows:,} of {wanted:,} rows; the operation was not accepted",
            hint="look for a trigger: syncer query \"SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger'\"",
        )

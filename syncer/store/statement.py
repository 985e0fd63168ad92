"""SQL text for the driver's own cursor, its parameters, and whether it did what it was to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from syncer.errors import DatabaseError

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

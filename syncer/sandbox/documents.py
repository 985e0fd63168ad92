"""Rows of the REST platforms in SQLite: a JSON document each, and columns for what it is found by."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, NoReturn, TypeAlias

from syncer.errors import UsageError

Document: TypeAlias = dict[str, Any]

encoded = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
"""A value as compact JSON text."""

canonical = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, sort_keys=True).encode
"""A value as the one JSON text that all equal values have."""


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


decoded = json.JSONDecoder(parse_constant=_no_constant).decode
"""JSON text as a value. Raises: ValueError, also for NaN and Infinity."""


class Part(NamedTuple):
    """Which documents: an SQL condition and its values."""

    where: str = "TRUE"
    values: tuple[Any, ...] = ()

    def also(self, where: str, *values: Any) -> Part:
        """Those of this part that meet one more condition."""
        return Part(f"{self.where} AND {where}", (*self.values, *values))


EVERYTHING = Part()


class Documents:
    """One table. ``columns`` are fields of the documents, kept beside them to be found by; callers hold the lock.

    Raises: UsageError when the file has a table of this name that is not ours.
    """

    def __init__(self, connection: sqlite3.Connection, name: str, key: str, columns: Sequence[str] = ()) -> None:
        self._run = connection.execute
        self._name = name
        self._key = key
        self._columns = tuple(columns)
        listed = "".join(f", {column}" for column in self._columns)
        self._run(
            f"CREATE TABLE IF NOT EXISTS {name} "
            f"(seq INTEGER PRIMARY KEY, pk TEXT NOT NULL UNIQUE, doc TEXT NOT NULL{listed})"
        )
        if [row[1] for row in self._run(f"PRAGMA table_info({name})")] != ["seq", "pk", "doc", *self._columns]:
            raise UsageError(
                f"the sandbox cannot use the table {name} in its file",
                why="it was made by another program, or by another version of this one",
                hint="name another file with --db",
            )
        for column in self._columns:
            self._run(f"CREATE INDEX IF NOT EXISTS ix_{name}_{column} ON {name} ({column})")

    def get(self, key: str) -> Document | None:
        """The document with this key, or None."""
        row = self._run(f"SELECT doc FROM {self._name} WHERE pk = ?", (key,)).fetchone()
        return decoded(row[0]) if row else None

    def put(self, document: Mapping[str, Any]) -> None:
        """Store ``document``, in the place of one with the same key."""
        columns = ("pk", "doc", *self._columns)
        values = (document[self._key], encoded(document), *(document.get(column) for column in self._columns))
        sets = ", ".join(f"{column} = excluded.{column}" for column in columns[1:])
        self._run(
            f"INSERT INTO {self._name} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))}) "
            f"ON CONFLICT (pk) DO UPDATE SET {sets}",
            values,
        )

    def remove(self, key: str) -> None:
        """Drop the document with this key, if it is there."""
        self._run(f"DELETE FROM {self._name} WHERE pk = ?", (key,))

    def find(self, part: Part = EVERYTHING, order: str = "seq", limit: int = -1, offset: int = 0) -> list[Document]:
        """The documents of ``part``; -1 is no limit."""
        sql = f"SELECT doc FROM {self._name} WHERE {part.where} ORDER BY {order} LIMIT ? OFFSET ?"
        return [decoded(row[0]) for row in self._run(sql, (*part.values, limit, offset))]

    def places(self, part: Part, order: str, limit: int) -> list[tuple[int, Document]]:
        """As :meth:`find`, each with its number in order of storing."""
        sql = f"SELECT seq, doc FROM {self._name} WHERE {part.where} ORDER BY {order} LIMIT ?"
        return [(int(seq), decoded(text)) for seq, text in self._run(sql, (*part.values, limit))]

    def count(self, part: Part = EVERYTHING) -> int:
        """How many documents are in ``part``."""
        return int(self._run(f"SELECT count(*) FROM {self._name} WHERE {part.where}", part.values).fetchone()[0])

    def counts(self, column: str, part: Part) -> dict[str, int]:
        """How many documents of ``part`` there are for each value of ``column``."""
        sql = f"SELECT {column}, count(*) FROM {self._name} WHERE {part.where} GROUP BY {column}"
        return dict(self._run(sql, part.values).fetchall())

"""The rows of one Plexus model in SQLite: a JSON document each, and columns for the keys of every index."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn, TypeAlias

from syncer.errors import UsageError
from syncer.schema.model import Index, Model

Record: TypeAlias = dict[str, Any]

encoded = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
"""A value as compact JSON text."""


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


decoded = json.JSONDecoder(parse_constant=_no_constant).decode
"""JSON text as a value. Raises: ValueError, also for NaN and Infinity."""


class Bound(NamedTuple):
    """One comparison of an index's sort key; ``sign`` is an SQL operator or ``begins``."""

    sign: str
    value: str | int


class Place(NamedTuple):
    """Where a page ended: the sort key of its last row (None where the index has none) and the row's number."""

    sort: str | int | None
    seq: int


class Found(NamedTuple):
    """One row of a page."""

    place: Place
    text: str


@dataclass(frozen=True, slots=True)
class Slice:
    """Which rows of a table, and in which order.

    ``index`` None is the whole table in order of creation. ``after`` is where the last page ended.
    """

    index: Index | None = None
    partition: str | int | None = None
    bounds: tuple[Bound, ...] = ()
    descending: bool = False
    after: Place | None = None


class Table:
    """All rows of one model. Callers hold the storage's lock.

    Raises: UsageError when the file has a table of this name that is not ours.
    """

    def __init__(self, connection: sqlite3.Connection, model: Model) -> None:
        self.model = model
        self._connection = connection
        self._name = model.table
        indexes = tuple(_all_indexes(model))
        self._singles = tuple(
            dict.fromkeys(name for index in indexes for name in index.fields if len(index.sort) < 2)
            | dict.fromkeys(index.partition for index in indexes)
        )
        self._joined = tuple(dict.fromkeys(index.sort for index in indexes if len(index.sort) > 1))
        columns = [_column((name,)) for name in self._singles] + [_column(names) for names in self._joined]
        marks = ", ".join("?" * (len(columns) + 2))
        self._get = f"SELECT doc FROM {self._name} WHERE pk = ?"
        self._insert = f"INSERT OR IGNORE INTO {self._name} (pk, doc{_listed(columns)}) VALUES ({marks})"
        self._replace = f"UPDATE {self._name} SET doc = ?{_listed(f'{c} = ?' for c in columns)} WHERE pk = ?"
        self._remove = f"DELETE FROM {self._name} WHERE pk = ?"
        self._create(columns, indexes)

    def _create(self, columns: Sequence[str], indexes: Iterable[Index]) -> None:
        run = self._connection.execute
        run(
            f"CREATE TABLE IF NOT EXISTS {self._name} "
            f"(seq INTEGER PRIMARY KEY, pk TEXT NOT NULL UNIQUE, doc TEXT NOT NULL{_listed(columns)})"
        )
        found = [row[1] for row in run(f"PRAGMA table_info({self._name})")]
        if found != ["seq", "pk", "doc", *columns]:
            raise UsageError(
                f"the sandbox cannot use the table {self._name} in its file",
                why="it was made by another program, or by another version of this one",
                hint="name another file with --db",
            )
        for index in indexes:
            partition, sort = _column((index.partition,)), _column(index.sort)
            where = f"{partition} IS NOT NULL" + (f" AND {sort} IS NOT NULL" if sort else "")
            run(
                f"CREATE INDEX IF NOT EXISTS ix_{self._name}_by{partition}{sort} "
                f"ON {self._name} ({partition}{_listed([sort] if sort else [])}) WHERE {where}"
            )

    def get(self, key: str) -> Record | None:
        """The record with this key text, or None."""
        row = self._connection.execute(self._get, (key,)).fetchone()
        return decoded(row[0]) if row else None

    def insert(self, key: str, record: Record, text: str) -> bool:
        """Add ``record`` (``text`` is its JSON); False when the key is taken."""
        cursor = self._connection.execute(self._insert, (key, text, *self._index_values(record)))
        return cursor.rowcount == 1

    def replace(self, key: str, record: Record, text: str) -> None:
        """Put ``record`` in the place of the one with this key."""
        self._connection.execute(self._replace, (text, *self._index_values(record), key))

    def remove(self, key: str) -> None:
        """Drop the record with this key."""
        self._connection.execute(self._remove, (key,))

    def count(self) -> int:
        """How many rows there are."""
        (count,) = self._connection.execute(f"SELECT count(*) FROM {self._name}").fetchone()
        return int(count)

    def read(self, part: Slice, limit: int) -> list[Found]:
        """At most ``limit`` rows of ``part``, in its order."""
        sql, values = self.query(part, limit)
        return [Found(Place(sort, seq), text) for seq, sort, text in self._connection.execute(sql, values)]

    def query(self, part: Slice, limit: int) -> tuple[str, list[Any]]:
        """The SQL of :meth:`read`, and its values."""
        sort = _column(part.index.sort) if part.index else ""
        where: list[str] = []
        values: list[Any] = []
        if part.index:
            where.append(f"{_column((part.index.partition,))} = ?")
            values.append(part.partition)
        if sort:
            where.append(f"{sort} IS NOT NULL")
        for bound in part.bounds:
            sql, operands = _comparison(sort, bound)
            where.append(sql)
            values += operands
        if part.after:
            sign = "<" if part.descending else ">"
            where.append(f"({sort}, seq) {sign} (?, ?)" if sort else f"seq {sign} ?")
            values += part.after if sort else part.after[1:]
        way = "DESC" if part.descending else "ASC"
        condition = f" WHERE {' AND '.join(where)}" if where else ""
        order = f"{sort} {way}, seq {way}" if sort else f"seq {way}"
        values.append(limit)
        return f"SELECT seq, {sort or 'NULL'}, doc FROM {self._name}{condition} ORDER BY {order} LIMIT ?", values

    def _index_values(self, record: Mapping[str, Any]) -> Iterator[str | int | None]:
        get = record.get
        for name in self._singles:
            yield get(name)
        for names in self._joined:
            parts = [get(name) for name in names]
            # A row lacking any index key is absent from that index.
            yield None if None in parts else "#".join(map(str, parts))


def _all_indexes(model: Model) -> Iterator[Index]:
    """The declared indexes, the composite primary key, and one index for every relation that a parent lists."""
    seen = set()
    composite = (Index(model.key[0], model.key[1:]),) if len(model.key) > 1 else ()
    relations = (Index(field.name) for field in model.references if field.inverse)
    for index in (*model.indexes, *composite, *relations):
        if index.fields not in seen:
            seen.add(index.fields)
            yield index


def _column(names: tuple[str, ...]) -> str:
    return "_" + "_".join(names) if names else ""


def _listed(columns: Iterable[str]) -> str:
    return "".join(f", {column}" for column in columns)


def _comparison(column: str, bound: Bound) -> tuple[str, list[str | int]]:
    if bound.sign != "begins":
        return f"{column} {bound.sign} ?", [bound.value]
    return f"{column} >= ? AND substr({column}, 1, length(?)) = ?", [bound.value] * 3

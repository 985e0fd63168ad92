"""What a walk over a remote has shown so far: keys, and the records to look at again. On disk, however much it is.

It lives in a temporary file of its own, which SQLite makes, keeps in memory while it is small, and removes: nothing of it
reaches the user's file, and no transaction there waits for it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa

from syncer.store.database import Statement, Transaction

_METADATA = sa.MetaData()
_SEEN = sa.Table("seen", _METADATA, sa.Column("key", sa.Text, primary_key=True))
_SUSPECT = sa.Table("suspect", _METADATA, sa.Column("key", sa.Text, primary_key=True), sa.Column("record", sa.Text))
_GONE = sa.Table("gone", _METADATA, sa.Column("key", sa.Text, primary_key=True))
_TABLES = (_SEEN, _SUSPECT, _GONE)
_MAKE = tuple(
    f"CREATE TABLE {table.name} ({', '.join(f'{c.name} TEXT' for c in table.c)}, PRIMARY KEY (key)) WITHOUT ROWID"
    for table in _TABLES
)
_listed = sa.select(sa.func.json_each(sa.bindparam("keys")).table_valued("value").c.value)
_SAW = Statement(_SEEN.insert().prefix_with("OR IGNORE").values(key=sa.bindparam("k")))
_KNOWN = Statement(sa.select(_SEEN.c.key).where(_SEEN.c.key.in_(_listed)))
_HOW_MANY = Statement(sa.select(sa.func.count()).select_from(_SEEN))
_SUSPECTED = Statement(_SUSPECT.insert().prefix_with("OR REPLACE").values(key=sa.bindparam("k"), record=sa.bindparam("v")))
_TAKE = Statement(sa.select(_SUSPECT.c.key, _SUSPECT.c.record).order_by(_SUSPECT.c.key).limit(sa.bindparam("most")))
_TAKEN = Statement(_SUSPECT.delete().where(_SUSPECT.c.key.in_(_listed)))
_GO = Statement(_GONE.insert().prefix_with("OR IGNORE").values(key=sa.bindparam("k")))
_GONE_ONES = Statement(
    sa.select(_GONE.c.key).where(_GONE.c.key > sa.bindparam("after")).order_by(_GONE.c.key).limit(sa.bindparam("most"))
)
_HOW_MANY_GONE = Statement(sa.select(sa.func.count()).select_from(_GONE))


class SeenSet:
    """Keys by their text, records as stored tuples. One model at a time: :meth:`clear` before the next."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect("", isolation_level=None)
        self._tx = Transaction(self._connection)
        for sql in ("PRAGMA journal_mode=OFF", "PRAGMA synchronous=OFF", *_MAKE):
            self._tx.script(sql)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None) -> None:
        self._connection.close()

    def clear(self) -> None:
        """Nothing was seen."""
        for table in _TABLES:
            self._tx.script(f"DELETE FROM {table.name}")

    def saw(self, keys: Iterable[str]) -> None:
        """The remote has shown these."""
        self._together(_SAW, [(key,) for key in keys])

    def seen(self, keys: Sequence[str]) -> set[str]:
        """Those of ``keys`` that were shown."""
        return {row[0] for row in self._tx.all(_KNOWN, {"keys": json.dumps(keys)})}

    def how_many(self) -> int:
        """How many records were shown."""
        return self._number(_HOW_MANY)

    def suspect(self, suspects: Iterable[tuple[str, Sequence[Any] | None]]) -> None:
        """Look at these again: key and, where it was shown, the record."""
        self._together(_SUSPECTED, [(key, None if record is None else json.dumps(record)) for key, record in suspects])

    def take(self, most: int) -> dict[str, tuple[Any, ...] | None]:
        """Up to ``most`` suspects, which are suspects no more: records by key, None for those not shown."""
        found = self._tx.all(_TAKE, {"most": most})
        self._tx.run(_TAKEN, {"keys": json.dumps([key for key, _ in found])})
        return {key: None if record is None else tuple(json.loads(record)) for key, record in found}

    def go(self, keys: Iterable[str]) -> None:
        """The remote has none of these, it has said so for each."""
        self._together(_GO, [(key,) for key in keys])

    def gone(self, after: str, most: int) -> list[str]:
        """Up to ``most`` of them in order, behind ``after``."""
        return [row[0] for row in self._tx.all(_GONE_ONES, {"after": after, "most": most})]

    def how_many_gone(self) -> int:
        """How many the remote has no more."""
        return self._number(_HOW_MANY_GONE)

    def _number(self, statement: Statement) -> int:
        row = self._tx.one(statement)
        return int(row[0]) if row else 0

    def _together(self, statement: Statement, rows: Sequence[tuple[Any, ...]]) -> None:
        self._tx.script("BEGIN")
        self._tx.many(statement, rows)
        self._tx.script("COMMIT")

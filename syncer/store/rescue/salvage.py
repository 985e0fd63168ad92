"""Reading what can still be read of a damaged file, table by table, around the pages that SQLite refuses."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

_MOST_LOOKS = 20_000  # per table: behind that, the rest of a damaged range is given up as a whole
_OWN = frozenset(("sqlite_sequence", "sqlite_stat1", "alembic_version"))


def salvage(source: sqlite3.Connection, target: sqlite3.Connection) -> dict[str, int]:
    """Copy every row that can be read into the empty tables of ``target``; by table, how many rows may be missing at most.

    A damaged page hides its rows; how many they were is known only as the range of their numbers. -1: cannot be told.
    """
    skipped = {}
    for table, in_order in _tables(target):
        there = _names(source, table)
        columns = [name for name in _names(target, table) if name in there]
        lost = _Table(source, target, table, columns, in_order).copy() if columns else -1
        if lost:
            skipped[table] = lost
    with suppress(sqlite3.DatabaseError):  # the last number that was given out; the rows tell the least it can be
        for (last,) in source.execute("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'").fetchall():
            target.execute("DELETE FROM sqlite_sequence WHERE name = 'outbox'")
            target.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('outbox', ?)", (last,))
    return skipped


def _tables(target: sqlite3.Connection) -> list[tuple[str, list[str]]]:
    """Every table of ours, and by what its rows are in order: the row number, or the key of a table without one."""
    found = []
    for (name,) in target.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        if name not in _OWN:
            (without,) = target.execute("SELECT wr FROM pragma_table_list(?)", (name,)).fetchone()
            key = target.execute("SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk", (name,)).fetchall()
            found.append((name, [column for (column,) in key] if without else ["rowid"]))
    return found


def _names(connection: sqlite3.Connection, table: str) -> list[str]:
    try:
        return [name for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", (table,)).fetchall()]
    except sqlite3.DatabaseError:  # the schema itself is damaged
        return []


class _Table:
    """One table on its way from the one file to the other."""

    def __init__(
        self, source: sqlite3.Connection, target: sqlite3.Connection, table: str, columns: list[str], by: list[str]
    ) -> None:
        self._source, self._target, self._by = source, target, by
        listed = ", ".join(f'"{name}"' for name in columns)
        self._select = f'SELECT {", ".join(by)}, {listed} FROM "{table}" NOT INDEXED'
        self._insert = f'INSERT OR IGNORE INTO "{table}" ({listed}) VALUES ({", ".join("?" * len(columns))})'
        self._looks = 0

    def copy(self) -> int:
        """From the front up to the damage, from the back down to it, and between them number by number."""
        last, whole = self._run("ASC")
        if whole:
            return 0
        first, _ = self._run("DESC")
        if self._by != ["rowid"]:
            return -1
        if first is None:
            return -1
        return self._between(0 if last is None else last[0] + 1, first[0] - 1)

    def _run(self, direction: str) -> tuple[tuple[Any, ...] | None, bool]:
        """The key of the last row that could be read in this direction, and whether that was all of them."""
        order = ", ".join(f"{name} {direction}" for name in self._by)
        last: tuple[Any, ...] | None = None
        try:
            for row in self._rows(f"{self._select} ORDER BY {order}", ()):
                last = row[: len(self._by)]
                self._put(row)
        except (sqlite3.DatabaseError, UnicodeDecodeError):
            return last, False
        return last, True

    def _rows(self, sql: str, parameters: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
        cursor = self._source.execute(sql, parameters)
        while row := cursor.fetchone():  # one by one, up to the very row that cannot be read
            yield row

    def _put(self, row: tuple[Any, ...]) -> None:
        with suppress(sqlite3.IntegrityError):
            self._target.execute(self._insert, row[len(self._by) :])

    def _between(self, first: int, last: int) -> int:
        """Rows with these numbers, halving what cannot be read; how many numbers were given up."""
        if first > last:
            return 0
        self._looks += 1
        try:
            for row in self._rows(f"{self._select} WHERE rowid BETWEEN ? AND ?", (first, last)):
                self._put(row)
        except (sqlite3.DatabaseError, UnicodeDecodeError):
            if first == last or self._looks > _MOST_LOOKS:
                return last - first + 1
            middle = (first + last) // 2
            return self._between(first, middle) + self._between(middle + 1, last)
        return 0

"""One record in two database files that once were one: which changes both know, and what each has of it.

A change is the same in both when it was accepted at the same moment (``created_at`` never changes) and has the same number,
or the same idempotency key, or is the same operation on the same record.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, TypeAlias

from syncer.schema.model import snake
from syncer.store.rescue.ledger import Rows

Values: TypeAlias = dict[str, Any]

COLUMNS = (
    "remote", "model", "key", "op", "fields", "state", "attempts", "next_attempt_at", "created_at", "idem_key", "body",
    "body_hash", "attempted_at", "code", "reason",
)  # fmt: skip
"""Of a waiting change, besides its number."""

OF_RECORD = "remote = ? AND model = ? AND key = ?"
_WAITING = f"SELECT seq, {', '.join(COLUMNS)} FROM outbox ORDER BY remote, model, key, seq"
_SHORT = "seq, created_at, idem_key, model, key, op"
_LINES = (
    f"SELECT {_SHORT}, NULL, NULL, NULL FROM outbox WHERE {{0}}"
    f" UNION SELECT {_SHORT}, outcome, by_seq, left_at FROM ledger WHERE {{0}}"
)
_BY_RECORD = _LINES.format("model = :m AND key IN (SELECT value FROM json_each(:keys)) AND remote = :r")
_BY_NUMBER = _LINES.format("seq IN (SELECT value FROM json_each(:seqs))")
_NAMES = (
    "SELECT local_id FROM _id_map WHERE remote = :r AND model = :m AND remote_id = :k"
    " UNION SELECT remote_id FROM _id_map WHERE remote = :r AND model = :m AND local_id = :k"
)


@dataclass(frozen=True, slots=True)
class Line:
    """One change as outbox or ledger have it. ``outcome``, ``by`` and ``left_at``: None while it waits."""

    seq: int
    created_at: str
    idem_key: str | None
    model: str
    key: str
    op: str
    outcome: str | None = None
    by: int | None = None
    left_at: str | None = None

    def is_same(self, other: Line) -> bool:
        """Whether both stand for one accepted change."""
        return self.created_at == other.created_at and (
            self.seq == other.seq
            or (self.idem_key is not None and self.idem_key == other.idem_key)
            or (self.model, self.key, self.op) == (other.model, other.key, other.op)
        )

    def among(self, lines: list[Line]) -> bool:
        """Whether one of ``lines`` is the same change."""
        return any(self.is_same(line) for line in lines)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A waiting change: its line, and all its columns."""

    line: Line
    values: Values

    @property
    def names(self) -> tuple[str, str, str, str]:
        """Remote, model, key and operation."""
        return self.values["remote"], self.values["model"], self.values["key"], self.values["op"]


@dataclass(slots=True)
class Record:
    """A record of which something waits in the source. ``source`` and ``target``: the lines that each file has of it.

    ``names``: its other ids, by both files.
    """

    remote: str
    model: str
    key: str
    waiting: list[Waiting]
    names: list[str] = field(default_factory=list)
    source: list[Line] = field(default_factory=list)
    target: list[Line] = field(default_factory=list)

    @property
    def where(self) -> tuple[str, str, str]:
        """The parameters of :data:`OF_RECORD`."""
        return self.remote, self.model, self.key

    @property
    def table(self) -> str:
        """The table of its row."""
        return f"{self.remote}_{snake(self.model)}"

    @property
    def unknown(self) -> list[Waiting]:
        """What waits in the source and the target has no line of."""
        return [each for each in self.waiting if not each.line.among(self.target)]

    @property
    def waits_in_target(self) -> list[Line]:
        """What waits in the target, under the record's key."""
        return [line for line in self.target if line.outcome is None and (line.model, line.key) == (self.model, self.key)]


def records(source: Rows, target: Rows) -> Iterator[Record]:
    """Every record of which something waits in ``source``."""
    for (remote, model, key), rows in groupby(source.rows(_WAITING, ()), key=lambda row: row[1:4]):
        waiting = [_waiting(row) for row in rows]
        record = Record(remote, model, key, waiting)
        named = {"r": record.remote, "m": record.model, "k": record.key}
        record.names = [str(name) for file in (source, target) for (name,) in file.rows(_NAMES, named)]
        by_record = {"r": record.remote, "m": record.model, "keys": json.dumps([record.key, *record.names])}
        by_number = {"seqs": json.dumps([each.line.seq for each in waiting])}
        record.source = [Line(*line) for line in source.rows(_BY_RECORD, by_record)]
        found = [*target.rows(_BY_RECORD, by_record), *target.rows(_BY_NUMBER, by_number)]
        record.target = [Line(*line) for line in dict.fromkeys(found)]
        yield record


def _waiting(row: tuple[Any, ...]) -> Waiting:
    values = dict(zip(COLUMNS, row[1:], strict=True))
    short = (values[name] for name in ("created_at", "idem_key", "model", "key", "op"))
    return Waiting(Line(int(row[0]), *short), values)


def base_of(rows: Rows, record: Record) -> Values | None:
    """The base of the record's row."""
    found = rows.rows(f"SELECT record FROM _base WHERE {OF_RECORD}", record.where)
    return json.loads(found[0][0]) if found else None


def row_of(rows: Rows, record: Record) -> Values | None:
    """The record's row by column."""
    columns = columns_of(rows, record.table)
    where, values = found_by(record, columns)
    listed = ", ".join(f'"{name}"' for name in columns)
    found = rows.rows(f'SELECT {listed} FROM "{record.table}" WHERE {where}', values)
    return dict(zip(columns, found[0], strict=True)) if found else None


def columns_of(rows: Rows, table: str) -> dict[str, int]:
    """Columns of a table, and the place each has in its primary key, 0 for none."""
    return {str(name): int(pk) for name, pk in rows.rows("SELECT name, pk FROM pragma_table_info(?)", (table,))}


def found_by(record: Record, columns: Mapping[str, int]) -> tuple[str, tuple[str, ...]]:
    """The condition that finds the record's row, and its parameters."""
    key = sorted((name for name in columns if columns[name]), key=lambda name: columns[name])
    values = (record.key,) if len(key) == 1 else tuple(json.loads(record.key))
    return " AND ".join(f'"{name}" = ?' for name in key), values


def agrees(row: Values, base: Values) -> bool:
    """Whether a row has all the values of a base."""
    return all(row[snake(name)] == value for name, value in base.items() if snake(name) in row)

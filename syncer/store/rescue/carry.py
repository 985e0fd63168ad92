"""Bringing accepted changes from one database file into another that does not know them.

Both files once were one: a backup and what was written after it, or a file and the log that was taken from it. Only what
surely fits is brought; the rest stays where it is and is reported with the reason.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from syncer.store.rescue import ledger
from syncer.store.rescue.ledger import Rows
from syncer.store.rescue.lineage import (
    COLUMNS,
    OF_RECORD,
    Line,
    Record,
    Waiting,
    agrees,
    base_of,
    columns_of,
    found_by,
    records,
    row_of,
)

_INSERT = f"INSERT INTO outbox ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"
_LEAVE = (
    "INSERT INTO ledger (seq, remote, model, key, op, fields, outcome, by_seq, attempts, created_at, left_at, idem_key,"
    " body_hash, reason) SELECT seq, remote, model, key, op, fields, ?, ?, attempts, created_at, ?, idem_key, body_hash,"
    " 'as in the file that later changes were brought from' FROM outbox WHERE seq = ?"
)
_PRUNED = f"SELECT coalesce(max(highest), 0) FROM _pruned WHERE outcome <> '{ledger.LOST}'"
_INTERRUPTED = {"state": "ambiguous", "code": "interrupted", "reason": "the sync stopped before an answer came"}
_CONFLICT = "remote, model, key, field, base, ours, theirs, detected_at"
_ATTEMPT = "number, at, ended_at, outcome, code, reason, request_id"
_BY_KEY = (
    ("_idempotency_key", "remote, idem_key, model, key, fingerprint", "key"),
    ("_id_map", "remote, model, local_id, remote_id, mapped_at", "remote_id"),
)


@dataclass(frozen=True, slots=True)
class Brought:
    """A change that is in the target now. ``was``: its number in the source."""

    seq: int
    was: int
    remote: str
    model: str
    key: str
    op: str
    state: str


@dataclass(frozen=True, slots=True)
class Held:
    """A change that was left in the source, and why."""

    seq: int
    remote: str
    model: str
    key: str
    op: str
    why: str


@dataclass(slots=True)
class Carried:
    """What :func:`carry_over` did. ``known``: changes that wait in the source and that the target knows already."""

    brought: list[Brought] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    known: int = 0

    def as_dict(self) -> dict[str, Any]:
        """The same for ``--json``."""
        return asdict(self)


class Connected:
    """A connection with the one method of :class:`Rows`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def rows(self, text: str, parameters: Any) -> list[tuple[Any, ...]]:
        """Run a statement; its rows."""
        return self._connection.execute(text, parameters).fetchall()


def carry_over(source: sqlite3.Connection, target: Rows) -> Carried:
    """Bring each change that waits in ``source`` and is unknown in ``target``, with its row, base and conflicts.

    ``target`` is an open write transaction on another file of the same schema. A change gets the next free number there and
    keeps its key, body, times and attempts; one that was being sent becomes ambiguous. Doing it again brings nothing.
    """
    old, done = Connected(source), Carried()
    accepted: list[Record] = []
    fresh: list[Waiting] = []
    for record in records(old, target):
        unknown = record.unknown
        done.known += len(record.waiting) - len(unknown)
        why = _against(record, unknown, old, target) if unknown else None
        if why is not None:
            done.held += [Held(each.line.seq, *each.names, why) for each in unknown]
        elif unknown:
            accepted.append(record)
            fresh += unknown
    numbers: dict[int, int] = {}
    for each in sorted(fresh, key=lambda one: one.line.seq):  # as they were accepted: parents first
        done.brought.append(_bring(each, target))
        numbers[each.line.seq] = done.brought[-1].seq
    for record in accepted:
        _leave(record, numbers, target)
        _replace(record, old, target)
        _bring_details(record, numbers, old, target)
    return done


def unknown_changes(source: sqlite3.Connection, target: Rows) -> list[Held]:
    """The changes that wait in ``source`` and that ``target`` does not know; nothing is brought."""
    found = [each for record in records(Connected(source), target) for each in record.unknown]
    return [
        Held(each.line.seq, *each.names, "pending in the old file only") for each in sorted(found, key=lambda e: e.line.seq)
    ]


def _against(record: Record, unknown: list[Waiting], old: Rows, target: Rows) -> str | None:
    """Why the changes of a record cannot be brought without a guess; None when they can."""
    if not columns_of(target, record.table) or not columns_of(old, record.table):
        return "there is no table for its record"
    for line in record.target:
        if line.model == record.model and line.key in record.names and line.outcome is None:
            return f"change {line.seq} of the same record is pending here under another id"
        if (line.model, line.key) == (record.model, record.key) and not line.among(record.source):
            doing = "is pending here" if line.outcome is None else f"was {line.outcome} here"
            return f"change {line.seq} of the same record {doing}, and the old file does not know it"
    ((pruned,),) = target.rows(_PRUNED, ())
    if unknown[0].line.seq <= pruned:
        return "it may have left here already and been forgotten by db prune"
    return _against_row(record, old, target)


def _against_row(record: Record, old: Rows, target: Rows) -> str | None:
    """The same, by what the target has of the record."""
    base, base_here = base_of(old, record), base_of(target, record)
    waiting = record.waits_in_target
    if waiting:  # the source knows all of it: its row was made from the one here
        acked = any(line.outcome == "acked" and line.among(waiting) for line in record.source)
        return None if base == base_here or acked else "its record was pulled here since, under a pending change"
    row, row_here = row_of(old, record), row_of(target, record)
    if row_here is None or row_here == row or (base is not None and agrees(row_here, base)):
        return None
    return "the row here is not the one that the change was based on"


def _bring(each: Waiting, target: Rows) -> Brought:
    values = each.values | (_INTERRUPTED if each.values["state"] == "sending" else {})
    target.rows(_INSERT, tuple(values[name] for name in COLUMNS))
    ((seq,),) = target.rows("SELECT last_insert_rowid()", ())
    return Brought(seq, each.line.seq, *each.names, values["state"])


def _leave(record: Record, numbers: Mapping[int, int], target: Rows) -> None:
    """What waits in the target and has left in the source leaves with the same outcome."""
    left = {line.seq: line for line in record.source if line.outcome is not None}
    waits = [line for line in record.source if line.outcome is None]
    for line in record.waits_in_target:
        end = next((other for other in left.values() if other.is_same(line)), None)
        if end is None or (line.among(waits) and end.seq != line.seq):
            continue
        end = _end(end, left)
        by = numbers.get(end.by) if end.by is not None else None
        target.rows(_LEAVE, (end.outcome, by, end.left_at, line.seq))
        target.rows("DELETE FROM outbox WHERE seq = ?", (line.seq,))


def _end(line: Line, left: Mapping[int, Line]) -> Line:
    """The last of the changes that took over one another, behind ``line``, that has left too."""
    while line.outcome == "superseded" and line.by is not None and line.by > line.seq and line.by in left:
        line = left[line.by]
    return line


def _replace(record: Record, old: Rows, target: Rows) -> None:
    """Row and base of the record become those of the source."""
    row, columns = row_of(old, record), columns_of(target, record.table)
    where, values = found_by(record, columns)
    target.rows(f'DELETE FROM "{record.table}" WHERE {where}', values)
    if row is not None:
        names = [name for name in row if name in columns]
        listed = ", ".join(f'"{name}"' for name in names)
        sql = f'INSERT INTO "{record.table}" ({listed}) VALUES ({", ".join("?" * len(names))})'
        target.rows(sql, tuple(row[name] for name in names))
    target.rows(f"DELETE FROM _base WHERE {OF_RECORD}", record.where)
    for (base,) in old.rows(f"SELECT record FROM _base WHERE {OF_RECORD}", record.where):
        target.rows("INSERT INTO _base (remote, model, key, record) VALUES (?, ?, ?, ?)", (*record.where, base))


def _bring_details(record: Record, numbers: Mapping[int, int], old: Rows, target: Rows) -> None:
    """Open conflicts, attempts, callers' keys and other ids of what was brought."""
    for was, seq in ((e.line.seq, numbers[e.line.seq]) for e in record.waiting if e.line.seq in numbers):
        for conflict in old.rows(f"SELECT {_CONFLICT} FROM conflict WHERE seq = ? AND resolved_at IS NULL", (was,)):
            target.rows(f"INSERT INTO conflict (seq, {_CONFLICT}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (seq, *conflict))
        for attempt in old.rows(f"SELECT {_ATTEMPT} FROM _attempt WHERE seq = ? ORDER BY id", (was,)):
            target.rows(f"INSERT INTO _attempt (seq, {_ATTEMPT}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (seq, *attempt))
    for table, columns, key in _BY_KEY:
        for found in old.rows(f"SELECT {columns} FROM {table} WHERE remote = ? AND model = ? AND {key} = ?", record.where):
            target.rows(f"INSERT OR IGNORE INTO {table} ({columns}) VALUES (?, ?, ?, ?, ?)", found)

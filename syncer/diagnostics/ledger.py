"""Whether the bookkeeping is sound: the ledger and its holes, bases without changes, changes without what they need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from syncer.schema.model import Field, Model, snake
from syncer.store.reader import Reader
from syncer.store.rescue import ledger

_ORPHANS = (
    "SELECT b.remote, count(*) FROM _base AS b WHERE NOT EXISTS"
    " (SELECT 1 FROM outbox AS o WHERE o.remote = b.remote AND o.model = b.model AND o.key = b.key) GROUP BY b.remote"
)
_SENDING = (
    "SELECT o.remote, count(*) FROM outbox AS o LEFT JOIN _remote_state AS s ON s.remote = o.remote"
    " WHERE o.state = 'sending' AND (s.lease_owner IS NULL OR s.lease_until < ?) GROUP BY o.remote"
)


@dataclass(frozen=True, slots=True)
class Dangling:
    """Waiting changes of ``model`` whose ``field`` names records of ``target`` that are not in the file."""

    model: str
    field: str
    target: str
    count: int
    example: int


@dataclass(frozen=True, slots=True)
class Rowless:
    """Waiting changes of ``model`` whose record has no row: what they are to send is not in the file."""

    model: str
    count: int
    example: int


def unaccounted(reader: Reader) -> int:
    """How many changes were accepted but neither wait nor have an outcome in the ledger."""
    row = reader.one(ledger.GAP)
    return int(row[0]) if row else 0


def missing(reader: Reader, most: int = 5) -> list[tuple[int, int]]:
    """Ranges of numbers of accepted changes that are nowhere, highest first; numbers that were pruned may be among them."""
    return ledger.missing(_Reading(reader), most)


def rowless(reader: Reader, models: Mapping[str, Model]) -> list[Rowless]:
    """What waits to be created or edited, and is not deleted behind that, without the row that has its values."""
    waiting = {str(name) for (name,) in reader.all("SELECT DISTINCT model FROM outbox")}
    return [found for model in models.values() if model.name in waiting for found in _rowless(reader, model)]


class _Reading:
    """A reader as what :mod:`syncer.store.rescue.ledger` asks."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def rows(self, text: str, parameters: Any) -> list[tuple[Any, ...]]:
        return self._reader.all(text, parameters)


def _rowless(reader: Reader, model: Model) -> list[Rowless]:
    keys = ["o.key"] if len(model.key) == 1 else [f"json_extract(o.key, '$[{n}]')" for n in range(len(model.key))]
    found = " AND ".join(f"r.{snake(name)} = {key}" for name, key in zip(model.key, keys, strict=True))
    row = reader.one(
        "SELECT count(*), min(o.seq) FROM outbox AS o WHERE o.remote = ? AND o.model = ? AND o.op <> 'delete'"
        " AND NOT EXISTS (SELECT 1 FROM outbox AS d WHERE d.model = o.model AND d.key = o.key AND d.op = 'delete')"
        f" AND NOT EXISTS (SELECT 1 FROM {model.table} AS r WHERE {found})",
        (model.remote, model.name),
    )
    return [Rowless(model.name, row[0], row[1])] if row and row[0] else []


def orphans(reader: Reader) -> dict[str, int]:
    """By remote, how many bases are kept for records of which nothing waits."""
    return {str(remote): int(n) for remote, n in reader.all(_ORPHANS)}


def interrupted(reader: Reader, now: str) -> dict[str, int]:
    """By remote, how many changes a sync that is gone has left in the middle of being sent."""
    return {str(remote): int(n) for remote, n in reader.all(_SENDING, (now,))}


def dangling(reader: Reader, models: Mapping[str, Model]) -> list[Dangling]:
    """What waits to be sent with references to records of one remote that are not here."""
    waiting = {str(name) for (name,) in reader.all("SELECT DISTINCT model FROM outbox")}
    found = []
    for model in models.values():
        if model.name in waiting and len(model.key) == 1:
            for field in model.references:
                target = models.get(field.ref or "")
                if target is not None and len(target.key) == 1:
                    found += _dangling(reader, model, field, target)
    return found


def _dangling(reader: Reader, model: Model, field: Field, target: Model) -> list[Dangling]:
    row = reader.one(
        f"SELECT count(*), min(o.seq) FROM outbox AS o JOIN {model.table} AS r ON r.{snake(model.key[0])} = o.key"
        f" WHERE o.remote = ? AND o.model = ? AND r.{field.column} IS NOT NULL"
        " AND (o.op = 'create' OR EXISTS (SELECT 1 FROM json_each(o.fields) WHERE value = ?))"
        f" AND NOT EXISTS (SELECT 1 FROM {target.table} AS t WHERE t.{snake(target.key[0])} = r.{field.column})",
        (model.remote, model.name, field.name),
    )
    return [Dangling(model.name, field.name, target.name, row[0], row[1])] if row and row[0] else []

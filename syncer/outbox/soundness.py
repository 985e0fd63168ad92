"""Whether the bookkeeping of a file is sound: the ledger, bases without changes, and changes that point at nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from syncer.describe import Field, Model, snake
from syncer.outbox import status
from syncer.store.reader import Reader

_ORPHANS = (
    "SELECT b.remote, count(*) FROM base AS b WHERE NOT EXISTS"
    " (SELECT 1 FROM outbox AS o WHERE o.remote = b.remote AND o.model = b.model AND o.key = b.key) GROUP BY b.remote"
)
_SENDING = (
    "SELECT o.remote, count(*) FROM outbox AS o LEFT JOIN remote_state AS s ON s.remote = o.remote"
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


def unaccounted(reader: Reader) -> int:
    """How many changes were accepted but neither wait nor left by a door of the ledger."""
    found = status.read(reader, ())
    return found.enqueued - found.live - sum(found.ledger.values())


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

"""What happened to rows besides the changes made here: written in the transaction that does it."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from syncer import clock
from syncer.schema.model import Model
from syncer.store.database import Statement, Transaction
from syncer.store.schema import EVENT

_ADD = Statement(
    EVENT.insert().values({n: sa.bindparam(n) for n in ("remote", "model", "key", "at", "kind", "fields", "note")})
)


def note(tx: Transaction, model: Model, kind: str, told: Iterable[tuple[str, str | None, str]]) -> None:
    """Write down that this happened: (key, JSON list of fields or None, note) each."""
    now = clock.stored_now()
    tx.many(_ADD, [(model.remote, model.name, key, now, kind, fields, text) for key, fields, text in told])
